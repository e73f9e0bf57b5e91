import { type ApiAnswer, type ApiRequest, requestKey } from '../channel.ts'
import { type CallKind, type Read, read } from '../read.ts'

/** What an HTTP API answers to a request that changes nothing. */
export function api(request: ApiRequest): Read<ApiAnswer> {
  return read(apiKind, request)
}

export const apiKind: CallKind<ApiRequest, ApiAnswer> = {
  name: 'api',
  key: requestKey,
  about: ({ method = 'GET', url }) => `${method} ${url}`,
  call: (request, way) => way.api(request),
  difference: (predicted, actual) => {
    if ('unreachable' in actual) return actual.unreachable
    if ('unreachable' in predicted) return 'it answers'
    if (predicted.status !== actual.status) return `it was to answer ${predicted.status}, it answers ${actual.status}`
    return dataDifference(predicted.body, actual.body)
  },
}

/** Where data is not as predicted, in words, without the values: they may be secret. What was not predicted, and what is
 * undefined in a prediction, is passed over. */
export function dataDifference(predicted: unknown, actual: unknown, at = ''): string | undefined {
  if (predicted === undefined || Object.is(predicted, actual)) return undefined
  const other = `${at === '' ? 'its answer' : at} is not what was predicted`
  if (typeof predicted !== 'object' || predicted === null || typeof actual !== 'object' || actual === null) return other
  if (Array.isArray(predicted) && predicted.length !== (actual as { length?: number }).length) return other
  for (const [key, value] of Object.entries(predicted)) {
    const found = dataDifference(value, (actual as Record<string, unknown>)[key], at === '' ? key : `${at}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
