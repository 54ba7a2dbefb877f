// An HTTP service with Express: JSON, files, compression, hashing, a worker thread, name look-ups.
const express = require('express');
const { createHash, randomUUID } = require('crypto');
const { gzipSync } = require('zlib');
const path = require('path');

const app = express();
const items = new Map();

app.use(express.json());
app.use(express.urlencoded({ extended: true }));
app.use('/public', express.static(path.join(__dirname, 'public')));

app.get('/', (request, response) => response.type('html').send('<title>node</title><p>It works</p>'));
app.get('/items', (request, response) => response.json([...items.values()]));
app.post('/items', (request, response) => {
  if (!request.body.name) return response.status(400).json({ error: 'an item needs a name' });
  const item = { id: randomUUID(), name: request.body.name, number: items.size + 1 };
  items.set(String(item.number), item);
  response.status(201).location(`/items/${item.number}`).json(item);
});
app.get('/items/:number', (request, response, next) => {
  const item = items.get(request.params.number);
  return item ? response.json(item) : next();
});
app.delete('/items/:number', (request, response) => response.sendStatus(items.delete(request.params.number) ? 204 : 404));
app.get('/digest', (request, response) => response.send(createHash('sha256').update(request.query.of || '').digest('hex')));
app.get('/gzip', (request, response) => response.set('Content-Encoding', 'gzip').send(gzipSync('compressed '.repeat(20))));
app.get('/date', (request, response) => response.send(new Intl.DateTimeFormat('de-DE', { dateStyle: 'long', timeZone: 'UTC' }).format(0)));
app.get('/host/:name', (request, response, next) => {
  require('dns').lookup(request.params.name, { family: 4 }, (error, address) => (error ? next(error) : response.send(address)));
});
app.get('/sum/:limit', (request, response, next) => {
  const { Worker } = require('worker_threads');
  new Worker(path.join(__dirname, 'sum.js'), { workerData: Number(request.params.limit) })
    .once('message', (sum) => response.json({ sum }))
    .once('error', next);
});
app.get('/later', async (request, response) => response.send((await import('./later.mjs')).default));
app.use((request, response) => response.status(404).json({ error: `${request.path} is not here` }));
app.use((error, request, response, next) => response.status(error.status || 500).json({ error: error.message }));

const server = app.listen(3000, () => console.log('listening on 3000'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
