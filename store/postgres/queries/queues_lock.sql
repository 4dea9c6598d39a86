-- a queue that is not paused has no row to lock; whoever brakes waits for the others who do, claims wait for nobody
lock table queues in share row exclusive mode
