import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from '../engine/scratch.ts'
import { startApi } from '../host/api-server.ts'
import { newAuthority } from '../host/certificates.ts'
import { plan } from './plan.ts'

const found = (status: number) => ({ outputs: () => ({ status }) })

test('no step where it is so already, one that waits where not', async () => {
  const steps = async (params: object, status: number) => (await plan('wait_for', params, found(status))).steps
  assert.equal(await steps({ path: '/f' }, 0), [])
  assert.equal(await steps({ path: '/f' }, 1), ['wait for /f'])
  assert.equal(await steps({ path: '/f', state: 'absent' }, 0), ['wait for /f to be gone'])
  assert.equal(await steps({ path: '/f', state: 'absent' }, 1), [])
  assert.equal(await steps({ port: 80, state: 'stopped' }, 1), [])
  assert.equal(await steps({ port: 80, host: '::1' }, 1), ['wait for port 80 of ::1'])
  assert.equal(await steps({ port: 80, delay: 2 }, 0), ['wait for port 80 of 127.0.0.1'])
  assert.equal(await steps({ timeout: 3 }, 0), ['wait 3 s'])
})

test('when time is up it says so in Ansible’s words, or in the author’s', async () => {
  const late = async (params: object) => {
    const { settle } = await plan('wait_for', { timeout: 1, ...params }, found('state' in params ? 0 : 1))
    return settle({ status: 1, ms: 1500 })
  }
  assert.equal(await late({ path: '/f' }), { result: { elapsed: 1 }, failed: 'Timeout when waiting for file /f' })
  assert.is((await late({ path: '/f', state: 'absent' })).failed, 'Timeout when waiting for /f to be absent')
  assert.is((await late({ port: 9 })).failed, 'Timeout when waiting for 127.0.0.1:9')
  assert.is((await late({ port: 9, state: 'stopped' })).failed, 'Timeout when waiting for 127.0.0.1:9 to stop')
  assert.is((await late({ path: '/f', search_regex: 'x+' })).failed, 'Timeout when waiting for search string x+ in /f')
  assert.is((await late({ port: 9, msg: 'nobody' })).failed, 'nobody')
})

test('what is wrong with its parameters', async () => {
  const wrong = async (params: object) => {
    const { invalid, failed } = await plan('wait_for', params, found(0))
    return invalid[0] ?? failed
  }
  assert.is(await wrong({ port: 9, path: '/f' }), '`port` and `path` exclude each other')
  assert.is(await wrong({ path: '/f', state: 'stopped' }), '`state: stopped` is for a port: a path is `absent`')
  assert.is(await wrong({ state: 'drained' }), '`state` is one of started, present, stopped, absent, not `drained`')
  assert.match((await wrong({ path: '/f', search_regex: '(' })) ?? '', /^`search_regex` cannot be read: /)
  assert.is(await wrong({ search_regex: 'x' }), '`search_regex` goes with `path` or `port`')
  assert.match((await wrong({ port: 70_000 })) ?? '', /^`port` must be <= 65535/)
})

test('on a real host: files with expressions over lines, ports that speak, what comes later', async () => {
  const path = `${scratchDir()}/it's "odd" $(id)`
  writeFileSync(path, 'one\nTwo three\nlast')
  const server = createServer((socket) => socket.on('error', () => {}).end('hello\nready to serve'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const task = (params: object) => `    - wait_for: ${JSON.stringify({ timeout: 60, ...params })}\n`
  const fails = (params: object) => `${task({ timeout: 1, ...params })}      ignore_errors: true\n`
  const text = [
    '- hosts: all\n  tasks:\n',
    task({ path }),
    task({ path, search_regex: '^two\\s+(?=three$)' }).replace('^two', '(?i)^two'),
    task({ path, search_regex: 'one\\nTwo' }),
    task({ path, search_regex: 'last\\Z' }),
    fails({ path, search_regex: '^never' }),
    task({ port }),
    task({ port, search_regex: '^ready' }),
    fails({ port, state: 'stopped' }),
    `    - shell: (sleep 1; touch later) >/dev/null 2>&1 &\n      args: { chdir: ${JSON.stringify(scratchDir())} }\n      register: r\n`,
  ].join('')
  try {
    const { tasks } = await run('apply', text)
    assert.equal(
      tasks.map((t) => t.status),
      ['ok', 'ok', 'ok', 'ok', 'failed', 'ok', 'ok', 'failed', 'changed'],
    )
  } finally {
    server.close()
  }
})

test('a URL behind https whose certificate an authority of one’s own signed; one that answers something else, or later', async () => {
  const authority = newAuthority()
  const ca_cert = `${scratchDir()}/ca.pem`
  writeFileSync(ca_cert, authority.ca)
  let asked = 0
  const secure = await startApi((_, r) => r.writeHead(429).end(), authority.issue('IP:127.0.0.1'))
  const named = await startApi((_, r) => r.writeHead(200).end('<html>'), authority.issue('DNS:vault.example'))
  const slow = await startApi((_, r) => r.writeHead(++asked < 3 ? 503 : 200).end())
  const task = (params: object) =>
    `    - wait_for: ${JSON.stringify({ timeout: 60, sleep: 0.1, ...params })}\n      ignore_errors: true\n`
  const late = { timeout: 1 }
  const text = [
    '- hosts: all\n  tasks:\n',
    task({ url: secure.url, ca_cert, status_code: [200, 429] }),
    task({ url: secure.url, status_code: [429] }),
    task({ url: secure.url, validate_certs: false, status_code: [429] }),
    task({ url: secure.url, ca_cert, ...late }),
    task({ url: secure.url, ca_cert, state: 'absent' }),
    task({ url: secure.url, ca_cert, state: 'absent', status_code: [429], ...late }),
    task({ url: named.url, ca_cert }),
    task({ url: named.url, ca_cert, tls_server_name: 'vault.example' }),
    task({ url: slow.url }),
    task({ url: 'http://127.0.0.1:1/', ...late }),
    task({ url: 'http://127.0.0.1:1/', state: 'stopped' }),
  ].join('')
  try {
    const { tasks } = await run('apply', text)
    assert.equal(
      tasks.map((t) => `${t.status} ${(t.message ?? '').replace(/(127\.0\.0\.1):\d{2,}/, '$1:PORT')}`),
      [
        'ok ',
        'failed nobody who is believed signed the certificate of 127.0.0.1:PORT',
        'ok ',
        'failed Timeout when waiting for https://127.0.0.1:PORT: it answers 429',
        'ok ',
        'failed Timeout when waiting for https://127.0.0.1:PORT to stop: it answers 429',
        'failed the certificate of 127.0.0.1:PORT is not for this name: it is for vault.example',
        'ok ',
        'ok ',
        'failed Timeout when waiting for http://127.0.0.1:1/: 127.0.0.1:1 refused the connection',
        'ok ',
      ],
    )
    assert.is(asked, 3)
  } finally {
    await Promise.all([secure, named, slow].map((s) => s.close()))
  }
})

test.run()
