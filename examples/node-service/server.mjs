// A shop's back end in one file: four resources, each with its own kind of work.

import { createServer } from 'node:http';
import * as Sentry from '@sentry/node';
import { buildReport, calculatePrice, renderPage, searchProducts } from './work.mjs';

const basket = Array.from({ length: 40 }, (_, i) => ({ amount: (i % 5) + 1, unitPrice: 3 + i / 7 }));
const products = Array.from({ length: 24 }, (_, i) => ({ code: i % 4 ? `lamp-${1000 + i}` : 'abcdefghijklmnopqrst' }));
const orders = Array.from({ length: 3000 }, (_, i) => ({
  id: i,
  date: `2025-${String((i % 12) + 1).padStart(2, '0')}-01`,
  total: (i * 37) % 1000,
}));
const template = '<li id="{{id}}"><b>{{date}}</b> {{total}}</li>';

const resources = {
  '/price': () => ({ type: 'application/json', body: JSON.stringify({ price: calculatePrice(basket) }) }),
  '/search': () => ({ type: 'application/json', body: JSON.stringify(searchProducts(products)) }),
  '/report': () => ({ type: 'application/json', body: buildReport(orders) }),
  '/page': () => ({ type: 'text/html', body: renderPage(template, orders.slice(0, 500)) }),
};

const server = createServer((request, response) => {
  const resource = resources[new URL(request.url, 'http://localhost').pathname];
  if (!resource) {
    response.writeHead(404).end('no such resource\n');
    return;
  }
  const { type, body } = resource();
  response.writeHead(200, { 'Content-Type': type }).end(body);
});

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

// Finish running requests, then let Sentry send everything, including the last profile chunk.
process.once('SIGTERM', () => {
  server.close(() => Sentry.close(5000));
  server.closeIdleConnections();
});
