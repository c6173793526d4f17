// The function, which does not know about Sentry.

/** How many prime numbers there are below `limit`: work for the profile to show. */
function countPrimes(limit) {
  let count = 0;
  for (let candidate = 2; candidate < limit; candidate++) {
    if (isPrime(candidate)) count++;
  }
  return count;
}

function isPrime(candidate) {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}

export async function handler(event) {
  if (!Number.isInteger(event.limit)) {
    throw new TypeError(`limit must be a whole number, not ${event.limit}`);
  }
  return { statusCode: 200, body: JSON.stringify({ primes: countPrimes(event.limit) }) };
}
