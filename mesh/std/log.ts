import { pino } from 'pino'

export type LogFields = Readonly<Record<string, unknown>>

/**
 * Structured logs: the message is a constant sentence, everything that varies is a field. Tokens, keys and payloads
 * are never logged.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A log whose lines carry these fields too. */
  child(fields: LogFields): Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** What waits for a slow reader of the log; lines beyond it are dropped. */
const maxWaitingBytes = 1 << 20

/**
 * Logs JSON lines to the given stream, standard output by default; times are RFC 3339. A reader that is slow, stalled or
 * gone costs log lines and never holds the process up.
 */
export function createLog(level: LogLevel, to?: { write(line: string): void }): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    messageKey: 'message',
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return wrap(pino(options, to ?? standardOutput()))
}

function standardOutput() {
  // Written behind the scenes: the synchronous way waits, and the whole process with it, for a full pipe.
  const output = pino.destination({ dest: 1, sync: false, maxLength: maxWaitingBytes })
  output.on('error', () => {})
  return output
}

/** A log that drops everything: the default in tests. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: fields => wrap(logger.child(fields)),
  }
}
