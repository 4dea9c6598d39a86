//! The way to a gateway, on which requests are stopped half way and get lost.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_saga::ports::{
    AroundProvider, Decision, Fault, NotificationChannel, Participant, PaymentProvider, Task,
};
use holdfast_saga::records::context::Notice;
use holdfast_sandbox::Sky;
use holdfast_shared::{SagaId, StepKey};

use super::Dice;

/// The road to the outside. Every request on it stops once on the way there and once on the way back,
/// so that its caller can be left behind, overtaken or killed at either place.
#[derive(Debug)]
pub(crate) struct Road<T> {
    pub(crate) to: T,
    pub(crate) dice: Arc<Dice>,
    /// Of a hundred messages, so many meet with a mishap.
    pub(crate) mishaps: usize,
}

/// Hands control back once.
async fn stop() {
    let mut stopped = false;
    poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl AroundProvider for Road<Arc<dyn PaymentProvider>> {
    fn provider(&self) -> &dyn PaymentProvider {
        &*self.to
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        request: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        Box::pin(async move {
            stop().await;
            let answer = request.await;
            stop().await;
            answer
        })
    }
}

#[async_trait]
impl NotificationChannel for Road<Arc<dyn NotificationChannel>> {
    fn name(&self) -> &str {
        self.to.name()
    }

    async fn send(&self, key: &StepKey, id: SagaId, notice: &Notice) -> Result<(), Fault> {
        stop().await;
        match self.dice.sky(self.mishaps) {
            Sky::Clear => self.to.send(key, id, notice).await,
            Sky::LoseAnswer => {
                self.to.send(key, id, notice).await?;
                Err(Fault::Unclear("the receipt was lost".to_owned()))
            }
            Sky::LoseRequest => Err(Fault::Unclear("the message was lost".to_owned())),
            Sky::Refuse => Err(Fault::Refused("the post office is closed".to_owned())),
        }
    }
}

#[async_trait]
impl<T: Participant + ?Sized> Participant for Road<Arc<T>> {
    fn name(&self) -> &str {
        self.to.name()
    }

    async fn act(&self, key: &StepKey, task: &Task<'_>) -> Result<Decision, Fault> {
        self.travel(self.to.act(key, task)).await
    }

    async fn look_up(&self, key: &StepKey) -> Result<Option<Decision>, Fault> {
        self.travel(self.to.look_up(key)).await
    }

    async fn undo(&self, key: &StepKey) -> Result<(), Fault> {
        self.travel(self.to.undo(key)).await
    }
}

impl<T: Participant + ?Sized> Road<Arc<T>> {
    async fn travel<A>(&self, request: impl Future<Output = Result<A, Fault>>) -> Result<A, Fault> {
        stop().await;
        match self.dice.sky(self.mishaps) {
            Sky::Clear => {
                let answer = request.await;
                stop().await;
                answer
            }
            Sky::LoseAnswer => {
                request.await?;
                stop().await;
                Err(Fault::Unclear("the answer was lost".to_owned()))
            }
            Sky::LoseRequest if self.dice.chance(50) => Err(Fault::NotReached("nobody is there".to_owned())),
            Sky::LoseRequest => Err(Fault::Unclear("the request was lost".to_owned())),
            Sky::Refuse => Err(Fault::Refused("it is overloaded".to_owned())),
        }
    }
}
