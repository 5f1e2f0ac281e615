// Does one thing for each word that it is sent, and answers with the outcome as JSON.
import { sendMessage, sendRequest, cancelRequest, selfId, log, currentTime } from 'airhost:core/host-services@0.1.0';
import { after, cancel } from 'airhost:timers/timers@0.1.0';
import { call } from 'airhost:functions/host-functions@0.1.0';
import { publish } from 'airhost:pubsub/pubsub@0.1.0';

// Messages are ASCII: QuickJS has no TextDecoder.
const text = (bytes) => String.fromCharCode(...bytes);
const bytes = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));
// A u64 is a BigInt in SpiderMonkey, and a number in QuickJS.
const u64 = (n) => typeof currentTime() === 'bigint' ? BigInt(n) : Number(n);

let config = {};
const callbacks = []; // [id, 'ok' or 'err', text]
const timers = []; // payloads of timers that have fired

const words = {
  echo: (...rest) => rest.join(' '),
  self: () => selfId(),
  config: () => config,
  callbacks: () => callbacks,
  fired: () => timers,
  send: (target, ...rest) => sendMessage(target, bytes(rest.join(' '))) ?? 'sent',
  request: (target, ...rest) => String(sendRequest(target, bytes(rest.join(' ')), u64(0))),
  forget: (id) => cancelRequest(u64(id)) ?? 'canceled',
  after: (ms, ...rest) => String(after(u64(ms), bytes('timer ' + rest.join(' ')))),
  cancel: (id) => cancel(u64(id)),
  timer(...rest) { timers.push(rest.join(' ')); },
  call: (name, ...rest) => text(call(name, bytes(rest.join(' ')))),
  publish: (topic, ...rest) => publish(topic, bytes(rest.join(' '))) ?? 'published',
  date: () => [Date.now(), String(BigInt(currentTime()) / 1000000n)],
  random: () => [Math.random(), Math.random(), Math.random()],
  log: (...rest) => log('info', rest.join(' ')) ?? 'logged',
  console(...rest) {
    console.log('to stdout:', ...rest);
    console.error('to stderr:', ...rest);
    return 'written';
  },
  fail(...rest) { throw { tag: 'failed', val: rest.join(' ') }; },
  invalid(...rest) { throw { tag: 'invalid-message', val: rest.join(' ') }; },
  trap() { throw new Error('thrown by the guest'); },
  spin() { for (;;); },
};

// An import that fails throws. Its error has the variant's case as payload.
const reason = (e) => e?.payload ?? e;

export const componentLifecycle = {
  handleMessage(sender, message) {
    const [word, ...rest] = text(message).split(' ');
    if (!Object.hasOwn(words, word)) throw { tag: 'invalid-message', val: `no word ${word}` };
    let answer;
    try {
      answer = words[word](...rest);
    } catch (e) {
      if (word === 'fail' || word === 'invalid' || e instanceof Error && e.payload === undefined) throw e;
      answer = { refused: reason(e) };
    }
    return bytes(JSON.stringify(answer ?? null));
  },
  handleCallback(id, result) {
    callbacks.push([String(id), result.tag, result.tag === 'ok' ? text(result.val) : result.val]);
  },
};

export const componentManagement = {
  initialize(pairs) {
    config = Object.fromEntries(pairs);
    if (config.refuse) throw { tag: 'failed', val: config.refuse };
  },
  health: () => 'healthy',
  shutdown() {},
};
