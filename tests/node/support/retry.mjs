/**
 * Checks something that a machine under load can make fail by itself, such as a deadline: once more when it fails, and says so.
 * What it measures is measured anew, against an ingest of its own.
 */
export async function retryOnce(t, check) {
  try {
    return await check();
  } catch (error) {
    t.diagnostic(`checked once more, because: ${error.message}`);
    return await check();
  }
}
