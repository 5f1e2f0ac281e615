#!/usr/bin/env node
// A component in JavaScript that formats numbers for a language, with the tables of
// Node.js. It answers {"locale":"de","number":1234.5} with 1.234,5. If its
// configuration has "notify", it sends the answer to that component as well.
import { serve, ComponentError, FAILED, INVALID_MESSAGE } from './airhost.mjs'

let notify = ''

serve({
  async initialize(host, config) {
    notify = config.find(({ key }) => key === 'notify')?.value ?? ''
    console.error(`${host.selfId()} runs on Node.js ${process.version}`)
  },

  async handleMessage(host, sender, message) {
    const text = Buffer.from(format(message))
    if (notify) {
      try {
        await host.send(notify, text)
      } catch (err) {
        throw new ComponentError(FAILED, `${notify} was not told: ${err.message}`)
      }
    }
    host.log(1, `formatted a number for ${sender}`)
    return text
  },
})

function format(message) {
  try {
    const { locale, number } = JSON.parse(message)
    return new Intl.NumberFormat(locale).format(number)
  } catch (err) {
    throw new ComponentError(INVALID_MESSAGE, err.message)
  }
}
