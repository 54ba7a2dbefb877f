// Pages written in Markdown, as HTML, JSON and feeds; some of it imported when asked.
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { readFileSync } from 'node:fs';
import type { Page } from './index.js';

const pages: Page[] = JSON.parse(readFileSync(new URL('pages.json', import.meta.url), 'utf8'));
const app = new Hono();

app.get('/', (c) => c.html(`<title>Pages</title>${pages.map((page) => `<a href="/pages/${page.name}">${page.title}</a>`).join('')}`));
app.get('/pages', (c) => c.json(pages));
app.get('/pages/:name', (c) => {
  const page = pages.find((one) => one.name === c.req.param('name'));
  return page ? c.html(page.html) : c.notFound();
});
app.post('/pages', async (c) => {
  const { marked } = await import('marked');
  const text = await c.req.text();
  if (!text) return c.json({ error: 'a page needs a text' }, 400);
  const page = { name: `page-${pages.length + 1}`, title: text.split('\n')[0].replace(/^#+ /, ''), html: await marked.parse(text) };
  pages.push(page);
  return c.json(page, 201, { Location: `/pages/${page.name}` });
});
app.delete('/pages/:name', (c) => {
  const index = pages.findIndex((one) => one.name === c.req.param('name'));
  if (index < 0) return c.notFound();
  pages.splice(index, 1);
  return c.body(null, 204);
});
app.get('/as/:kind', async (c) => {
  const kind = c.req.param('kind');
  try {
    const { written, type } = await import(`./as-${kind.replace(/[^a-z]/g, '')}.js`);
    return c.body(written(pages), 200, { 'Content-Type': type });
  } catch {
    return c.json({ error: `no ${kind} here` }, 404);
  }
});
app.get('/etag/:name', async (c, next) => {
  const { etag } = await import('hono/etag');
  return etag()(c, async () => { c.res = new Response(c.req.param('name')); });
});
app.use('/public/*', serveStatic({ root: './' }));
app.notFound((c) => c.json({ error: `${c.req.path} is not here` }, 404));

const server = serve({ fetch: app.fetch, port: 3000 }, () => console.log('listening on 3000'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
