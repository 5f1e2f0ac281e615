// The component's side of docs/plugin-protocol.md, in JavaScript.
//
//   serve({
//     async handleMessage(host, sender, message) { return response },     // Buffers
//     async handleCallback(host, id, response, failure) {},               // optional, as all below
//     async initialize(host, config) {},                                  // [{key, value}]
//     async health() { return 0 },                                        // healthy, degraded, unhealthy
//     async shutdown(host) {},
//   })
//
// A method may throw a ComponentError to answer with it. Any other error ends the
// process.
import fs from 'node:fs'
import path from 'node:path'
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import selfsigned from 'selfsigned'

const proto = new URL('../../proto/airhost/plugin/v1/component.proto', import.meta.url).pathname
const definitions = loadSync(proto, { keepCase: true, longs: String, defaults: true, oneofs: true })
const { Component } = grpc.loadPackageDefinition(definitions).airhost.plugin.v1

// The cases of component-error and messaging-error, in the contract's order.
export const [INVALID_MESSAGE, UNAVAILABLE, FAILED] = [0, 1, 2]

export class ComponentError extends Error {
  constructor(code, text) {
    super(text)
    this.code = code
  }
}

// MessagingError is a refusal of the host. Its code is a name such as
// CASE_CAPABILITY_DENIED.
export class MessagingError extends Error {
  constructor({ case: code, text }) {
    super(`${code}: ${text}`)
    this.code = code
  }
}

export async function serve(component) {
  if (process.env.AIRHOST_PLUGIN !== 'component' || process.env.PLUGIN_PROTOCOL_VERSIONS !== '1') {
    console.error('this is a component for airhost, protocol version 1: name it in a configuration file')
    process.exit(2)
  }
  process.stdin.resume().on('end', () => process.exit()) // the host has closed it or has died
  const server = new grpc.Server()
  server.addService(Component.service, {
    Describe: (_, reply) => reply(null, description(component)),
    Run: (stream) => new Session(component, stream),
  })
  server.addService(health, { Check: (_, reply) => reply(null, {}) })
  await listen(server)
}

function description(component) {
  const { handleCallback, initialize, health, shutdown } = component
  return { callback: !!handleCallback, management: !!(initialize || health || shutdown) }
}

// health is the health service of gRPC. It always answers SERVING.
const health = {
  Check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestDeserialize: () => ({}),
    responseSerialize: () => Buffer.from([8, 1]),
  },
}

// listen makes the socket and the certificate and prints the handshake line.
async function listen(server) {
  const made = await selfsigned.generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  const credentials = grpc.ServerCredentials.createSsl(
    Buffer.from(process.env.PLUGIN_CLIENT_CERT),
    [{ private_key: Buffer.from(made.private), cert_chain: Buffer.from(made.cert) }],
    true,
  )
  const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR, 'component')
  await new Promise((done, fail) => server.bindAsync(`unix:${socket}`, credentials, (err) => (err ? fail(err) : done())))
  const certificate = made.cert.replace(/-----[^-]+-----|\s|=/g, '')
  fs.writeSync(1, `1|1|unix|${socket}|grpc|${certificate}\n`)
}

// Session serves the host's stream. A component has one in its life.
class Session {
  calls = []
  busy = false
  waiting = null // for an answer

  constructor(component, stream) {
    Object.assign(this, { component, stream })
    stream.on('data', (frame) => this.receive(frame))
    stream.on('end', () => process.exit())
    stream.on('cancelled', () => process.exit(1))
    stream.on('error', () => process.exit(1))
  }

  receive({ calls, answer }) {
    if (answer) {
      this.waiting(answer)
      return
    }
    this.calls.push(...calls)
    if (!this.busy) this.work()
  }

  // work handles the calls in their order.
  async work() {
    this.busy = true
    while (this.calls.length > 0) {
      const call = this.calls.shift()
      this.call = call.id
      this.tell({ result: await this.handle(call) })
    }
    this.busy = false
  }

  async handle(call) {
    try {
      return await this[call.call](call[call.call])
    } catch (err) {
      if (err instanceof ComponentError) return { error: { case: err.code, text: err.message } }
      return this.crash(err)
    }
  }

  // crash reports an error to the host. The host then ends the stream, which ends the
  // process. If the process ended sooner, the report could be lost.
  crash(err) {
    process.exitCode = 1
    setTimeout(() => process.exit(), 2000)
    this.calls.length = 0
    return { trap: { text: String(err).split('\n')[0], details: err.stack ?? '' } }
  }

  // The host's calls, under their names in the protocol.

  start({ component_id, message_size }) {
    this.id = component_id
    this.messageSize = Number(message_size)
    return {}
  }

  async initialize({ config }) {
    await this.component.initialize?.(this, config)
    return {}
  }

  async handle_message({ sender, message, no_response }) {
    const response = await this.component.handleMessage(this, sender, message)
    if (no_response) return {}
    if (response.length > this.messageSize) throw new ComponentError(FAILED, `response too large: ${response.length} bytes`)
    return { response }
  }

  async handle_callback({ request_id, response, failure, _failure }) {
    await this.component.handleCallback?.(this, request_id, response, _failure ? failure : null)
    return {}
  }

  async health() {
    return { health: (await this.component.health?.()) ?? 0 }
  }

  async shutdown() {
    await this.component.shutdown?.(this)
    return {}
  }

  // The host's services, for a component's method while it runs.

  selfId() {
    return this.id
  }

  log(level, text) {
    this.tell({ log: { level, text } })
  }

  async send(target, message) {
    await this.ask({ send: { target, message } })
  }

  // request returns the request's id, a decimal string.
  async request(target, request, timeoutMillis = 0) {
    return (await this.ask({ send_request: { target, request, timeout_ms: timeoutMillis } })).request_id
  }

  async cancel(id) {
    await this.ask({ cancel: { request_id: id } })
  }

  // now returns nanoseconds since 1970, a decimal string.
  async now() {
    return (await this.ask({ now: {} })).time
  }

  async ask(event) {
    const answer = new Promise((resolve) => (this.waiting = resolve))
    this.tell(event)
    const { error, ...rest } = await answer
    if (error) throw new MessagingError(error)
    return rest
  }

  tell(event) {
    this.stream.write({ events: [{ call_id: this.call, ...event }] })
  }
}
