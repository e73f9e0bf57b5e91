import type { Counts, Event, ProgressEvent, TurnEvent } from './events.ts'

type Schema = Readonly<Record<string, unknown>>
type Told = Exclude<Event, ProgressEvent | TurnEvent>
type OptionalKey<T> = { [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never }[keyof T]

/** What an event holds besides its kind: the compiler finds a property that is missing here, or that no event has. */
interface Described<E> {
  readonly description: string
  readonly always: Readonly<Record<Exclude<keyof E, OptionalKey<E> | 'event'>, Schema>>
  readonly sometimes?: Readonly<Record<OptionalKey<E>, Schema>>
}

const text = (description: string): Schema => ({ type: 'string', description })
const texts = (description: string): Schema => ({ type: 'array', items: { type: 'string' }, description })
const whole = (description: string): Schema => ({ type: 'integer', minimum: 0, description })
const yes = (description: string): Schema => ({ const: true, description })

const counts: Readonly<Record<keyof Counts, Schema>> = {
  ok: whole('Tasks that found all as it should be; failures that `ignore_errors` let pass count here.'),
  changed: whole('Tasks that changed something; in check, that would.'),
  skipped: whole('Tasks that did not apply.'),
  failed: whole('Tasks that failed.'),
  unreachable: whole('1 where the host could not be reached or was lost.'),
  unknown: whole('Tasks of which only an apply can tell.'),
  trips: whole("Round trips on the host's shell after it was opened."),
}

const events: { readonly [K in Told['event']]: Described<Extract<Told, { event: K }>> } = {
  run: {
    description: 'The first event.',
    always: {
      mode: { enum: ['apply', 'check'] },
      playbooks: texts('As they were named.'),
      version: text('Of runbook.'),
    },
  },
  play: {
    description: 'A play starts.',
    always: {
      play: text('Its name.'),
      hosts: texts('That take part.'),
      tasks: texts('Names in order, handlers last.'),
    },
  },
  task: {
    description: 'A task has ended for one host and one loop item; in check, it is planned.',
    always: {
      host: text('Its name in the inventory.'),
      play: text('The name of the play.'),
      task: text('The name of the task.'),
      module: text('The name of the module.'),
      status: {
        enum: ['ok', 'changed', 'skipped', 'failed', 'unreachable', 'unknown'],
        description: 'In check, `changed` means would change, `unknown` that only an apply can tell.',
      },
      changes: texts('One sentence a change.'),
      ms: whole('Milliseconds that its steps took on the host.'),
    },
    sometimes: {
      handler: yes('It is a handler.'),
      item: text('The loop item, as a short text.'),
      message: text('Why it failed, was skipped or is unknown.'),
      hint: text('The likely fix.'),
      at: text('`file:line` of the task.'),
      ignored: yes('It failed and `ignore_errors` let that pass.'),
      harmless: yes('Its module never changes anything.'),
      output: text('What `debug` prints, and the like.'),
      said: text('With -v: the end of what its commands said.'),
      diff: text('With --diff: unified diffs.'),
    },
  },
  host: {
    description: 'A host dropped out, outside any task.',
    always: {
      host: text('Its name in the inventory.'),
      status: { enum: ['unreachable', 'failed'] },
      message: text('Why.'),
    },
    sometimes: { hint: text('What to do.') },
  },
  warning: {
    description: 'Something to mend that stops nothing.',
    always: { code: text('Stable, such as `never-converges`.'), message: text('One sentence.') },
    sometimes: { host: text('Where it was found.'), hint: text('The likely fix.'), at: text('`file:line`.') },
  },
  recap: {
    description: 'The last event.',
    always: {
      hosts: {
        type: 'object',
        additionalProperties: {
          type: 'object',
          properties: counts,
          required: Object.keys(counts),
          additionalProperties: false,
        },
      },
      duration_ms: whole('Of the whole run.'),
    },
    sometimes: { interrupted: yes('Somebody stopped the run.') },
  },
}

/** What `--output ndjson` writes, one event a line. */
export const eventsSchema: Schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'An event of a runbook run: a line of --output ndjson',
  oneOf: Object.entries(events).map(([event, { description, always, sometimes }]) => ({
    type: 'object',
    description,
    properties: { event: { const: event }, ...always, ...sometimes },
    required: ['event', ...Object.keys(always)],
    additionalProperties: false,
  })),
}
