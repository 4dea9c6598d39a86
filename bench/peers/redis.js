// Redis, as BullMQ wants it: connections that never give up, and keys of its own that are gone afterwards.

import { Redis } from 'ioredis';

export function connect(url) {
  return new Redis(url, { maxRetriesPerRequest: null });
}

export async function removeKeys(url, prefix) {
  const redis = connect(url);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1_000 })) {
      if (keys.length) await redis.unlink(keys);
    }
  } finally {
    redis.disconnect();
  }
}
