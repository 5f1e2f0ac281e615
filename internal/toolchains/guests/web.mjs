// Sends requests to the web by fetch, one thing for each word, and answers with the outcome as JSON.
const text = (bytes) => new TextDecoder().decode(bytes);
const bytes = (text) => new TextEncoder().encode(text);

const outcome = async (response) => [response.status, response.headers.get('x-answer'), await response.text()];

const words = {
  get: async (url) => outcome(await fetch(url)),
  async post(url, ...rest) {
    return outcome(await fetch(url, { method: 'POST', headers: { 'X-Asked': 'yes' }, body: rest.join(' ') }));
  },
  both: (...urls) => Promise.all(urls.map(async (url) => outcome(await fetch(url)))),
  // The bytes of a body, part by part.
  async read(url) {
    let size = 0;
    const reader = (await fetch(url)).body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return size;
      size += value.length;
    }
  },
  // A body that is written part by part: a stream of so many parts of 1,000 bytes.
  async write(url, parts) {
    let left = Number(parts);
    const body = new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new Uint8Array(1000).fill(120));
        else controller.close();
      },
    });
    return outcome(await fetch(url, { method: 'PUT', body, duplex: 'half' }));
  },
  // The first of a response and a timer.
  race: (url, ms) => Promise.race([
    fetch(url).then(() => 'response'), new Promise((resolve) => setTimeout(() => resolve('timer'), Number(ms))),
  ]),
};

export const componentLifecycle = {
  async handleMessage(sender, message) {
    const [word, ...rest] = text(message).split(' ');
    try {
      return bytes(JSON.stringify(await words[word](...rest)));
    } catch (e) {
      return bytes(JSON.stringify({ refused: String(e) }));
    }
  },
  handleCallback() {},
};

export const componentManagement = {
  initialize() {},
  health: () => 'healthy',
  shutdown() {},
};
