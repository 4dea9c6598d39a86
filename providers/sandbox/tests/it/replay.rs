//! Long random histories: the ledger follows from their entries, and the file says what memory says.

use std::time::Duration;

use holdfast_saga::ports::Fault;
use holdfast_sandbox::{
    DurableSandbox, KEY_TTL, Ledger, MemorySandbox, Operation, Reply, SandboxControl, Token,
};
use holdfast_shared::Time;

use crate::http::Desk;
use crate::{PATIENCE, charge, clock, eur, folder, opened, refund, statement};

/// Splitmix: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn order(&mut self) -> i64 {
        1 + self.below(4).cast_signed()
    }

    /// Few keys and few amounts, so that they meet.
    fn operation(&mut self) -> Operation {
        let key = charge(self.order());
        match self.below(10) {
            0..=3 => {
                let token = Token::ALL.get(usize::try_from(self.below(8)).expect("small"));
                let token = token.map_or("tok_unknown", |token| token.as_str()).to_owned();
                let amount = eur(100 + self.below(10).cast_signed() / 9);
                Operation::Charge { key, amount, token }
            }
            4 => Operation::LookUp { key },
            5 if self.below(4) == 0 => Operation::Void { key },
            6 => Operation::CompleteAction { key, approved: self.below(2) == 0 },
            7 => Operation::AllowRefunds { charge: key },
            _ => {
                let amount_minor = 10 + self.below(2).cast_signed();
                Operation::Refund { key: refund(self.order()), charge: key, amount_minor }
            }
        }
    }

    fn pause(&mut self) -> Duration {
        KEY_TTL * u32::try_from(self.below(3)).expect("small") / 20
    }
}

#[test]
fn replayed_entries_give_the_same_ledger() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut now = Time::from_micros(0);
        let mut ledger = Ledger::new(KEY_TTL);
        let mut replayed = Ledger::new(KEY_TTL);
        for step in 0..120 {
            now = now + dice.pause();
            let operation = dice.operation();
            let before = ledger.clone();
            let (reply, entries) = ledger.handle(&operation, now);
            if let Reply::Refused(message) = &reply {
                assert_eq!(ledger, before, "seed {seed}, step {step}: {operation:?} refused: {message}");
            }
            for entry in entries {
                replayed.replay(entry);
            }
            assert_eq!(replayed, ledger, "seed {seed}, step {step}: {operation:?}");
        }
        assert_eq!(replayed.statement(), ledger.statement());
    }
}

#[tokio::test]
async fn the_file_answers_as_memory_does() {
    answers_as_memory_does(async |ledger, _| Box::new(ledger) as Box<dyn SandboxControl>).await;
}

#[tokio::test]
async fn the_file_answers_as_memory_does_over_http() {
    answers_as_memory_does(async |ledger, desks| {
        let desk = Desk::open(ledger, Duration::ZERO).await;
        let client = desk.client(PATIENCE);
        desks.push(desk);
        Box::new(client) as Box<dyn SandboxControl>
    })
    .await;
}

/// Holds the sandbox that `reach` makes of ledger against memory. Every now and then the ledger is opened anew.
async fn answers_as_memory_does(
    reach: impl AsyncFn(DurableSandbox, &mut Vec<Desk>) -> Box<dyn SandboxControl>,
) {
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let (folder, clock) = (folder(), clock());
        let memory = MemorySandbox::new(clock.clone());
        let mut desks = Vec::new();
        let mut durable = reach(opened(&folder, &clock).await, &mut desks).await;
        for step in 0..150 {
            clock.advance(dice.pause());
            if dice.below(30) == 0 {
                durable = reach(opened(&folder, &clock).await, &mut desks).await;
            }
            let operation = dice.operation();
            // The two differ in one thing on purpose: how long a lost answer takes.
            if matches!(&operation, Operation::Charge { token, .. } if token == "tok_timeout") {
                continue;
            }
            let (expected, found) = (asked(&memory, &operation).await, asked(&*durable, &operation).await);
            assert_eq!(found, expected, "seed {seed}, step {step}: {operation:?}");
        }
        assert_eq!(statement(&*durable).await, statement(&memory).await, "seed {seed}");
        assert_eq!(durable.waiting_actions().await, memory.waiting_actions().await, "seed {seed}");
    }
}

async fn asked(sandbox: &dyn SandboxControl, operation: &Operation) -> Result<String, Fault> {
    match operation {
        Operation::Charge { key, amount, token } => {
            sandbox.charge(key, *amount, token).await.map(|state| format!("{state:?}"))
        }
        Operation::LookUp { key } => sandbox.find(key).await.map(|state| format!("{state:?}")),
        Operation::Void { key } => sandbox.void(key).await.map(|state| format!("{state:?}")),
        Operation::Refund { key, charge, amount_minor } => {
            sandbox.give_back(key, charge, *amount_minor).await.map(|()| String::new())
        }
        Operation::CompleteAction { key, approved } => {
            sandbox.complete_action(key, *approved).await.map(|state| format!("{state:?}"))
        }
        Operation::AllowRefunds { charge } => sandbox.allow_refunds(charge).await.map(|()| String::new()),
    }
}
