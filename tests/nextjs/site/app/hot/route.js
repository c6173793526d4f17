import * as Sentry from '@sentry/node';

export const dynamic = 'force-dynamic';

function burn(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 1000; i++) sum += Math.sqrt(sum + i);
  }
  return sum;
}

export async function GET() {
  return Sentry.startSpan({ name: 'hot' }, () => new Response(String(burn(300))));
}
