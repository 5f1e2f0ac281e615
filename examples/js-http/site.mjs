// Answers requests of HTTP, by the event that browsers' service workers have.
addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === '/hello') {
    return new Response(`Hello, ${searchParams.get('name') ?? 'world'}!\n`);
  }
  if (pathname === '/sum' && request.method === 'POST') {
    const numbers = await request.json();
    return Response.json({ sum: numbers.reduce((a, b) => a + b, 0) }, { headers: { 'x-count': numbers.length } });
  }
  return new Response('There is no such page.\n', { status: 404 });
}
