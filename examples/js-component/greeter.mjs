// Greets whoever asks. `ask ID text` asks another component, and `asked` tells what came back.
import { sendRequest } from 'airhost:core/host-services@0.1.0';

const text = (bytes) => new TextDecoder().decode(bytes);
const bytes = (text) => new TextEncoder().encode(text);

let greeting = 'Hello';
let asked = 'nothing yet';

export const componentManagement = {
  // The component's config, as pairs of key and value.
  initialize(config) {
    greeting = Object.fromEntries(config).greeting ?? greeting;
  },
  health: () => 'healthy',
  shutdown() {},
};

export const componentLifecycle = {
  handleMessage(sender, message) {
    const [word, target, ...rest] = text(message).split(' ');
    if (word === '') throw { tag: 'invalid-message', val: 'whom shall I greet?' };
    if (word === 'asked') return bytes(asked);
    if (word !== 'ask') return bytes(`${greeting}, ${text(message)}!`);
    console.log(sender, 'asks', target);
    try {
      sendRequest(target, bytes(rest.join(' ')), 0n); // 0n: the host's timeout
    } catch (e) {
      throw { tag: 'failed', val: JSON.stringify(e.payload) }; // such as capability-denied
    }
    return bytes(`asked ${target}`);
  },
  // A request has ended: with a response, or with the reason there is none.
  handleCallback(id, { tag, val }) {
    asked = tag === 'ok' ? text(val) : `error: ${val}`;
  },
};
