/**
 * Retries once a check that may fail on a machine under load, such as a deadline, and reports the retry. The check
 * must start from scratch, with a new ingest.
 */
export async function retryOnce(t, check) {
  try {
    return await check();
  } catch (error) {
    t.diagnostic(`retried because: ${error.message}`);
    return await check();
  }
}
