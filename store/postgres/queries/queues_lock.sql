-- a queue that is not paused has no row to lock; two commits that pause or resume wait for each other, a claim for none
lock table queues in share row exclusive mode
