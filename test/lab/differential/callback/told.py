# Writes one line a task of a host: its name, and whether it changed, failed or was skipped.
import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'told'

    def tell(self, result, status):
        line = {'task': result._task.get_name(), 'status': status, 'msg': str(result._result.get('msg', ''))[:300]}
        with open(os.environ['TOLD'], 'a') as f:
            f.write(json.dumps(line) + '\n')

    def v2_runner_on_ok(self, result):
        self.tell(result, 'changed' if result._result.get('changed') else 'ok')

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.tell(result, 'failed')

    def v2_runner_on_skipped(self, result):
        self.tell(result, 'skipped')

    def v2_runner_on_unreachable(self, result):
        self.tell(result, 'unreachable')
