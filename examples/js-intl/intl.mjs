#!/usr/bin/env node
// A component in JavaScript: it formats numbers the way a language does, with
// what Node.js knows of languages. A message such as {"locale":"de","number":1234.5}
// is answered with 1.234,5; with "notify" in the configuration the answer goes to
// that component as well.
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
