//! How an instance shows that it lives, and hears what others accepted for it.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Error;
use super::lane::{LaneId, Wakeup};

/// How often the sign of life is given; the view `live_instance` waits for six of them.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The advisory locks of instances are of this class, known to the view `live_instance`.
const LOCK_CLASS: i32 = 1_651_470_960;

/// The session whose advisory lock says that the instance lives. A process that is killed loses its
/// sessions, so its lanes are free at once; the heartbeat is for a server that does not notice.
#[derive(Debug)]
pub(super) struct Presence {
    me: i64,
    pool: PgPool,
    listener: PgListener,
    wakeups: broadcast::Sender<Wakeup>,
}

impl Presence {
    /// Shows up: from here on the instance may hold lanes.
    pub async fn show(
        options: &PgConnectOptions,
        me: i64,
        wakeups: broadcast::Sender<Wakeup>,
    ) -> Result<Presence, Error> {
        // A pool of its own, because the session is the message: nobody else may use or recycle it.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options.clone());
        let presence = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&format!("borodach_lane_{me}")).await?;
            Ok(listener)
        };
        let listener = presence.await.map_err(|source| Error::of("listen", source))?;
        let mut presence = Presence { me, pool, listener, wakeups };
        presence.greet().await.map_err(|source| Error::of("register the instance", source))?;
        Ok(presence)
    }

    /// Shows that the instance lives until `stop`, and then leaves: `gone` is told when it holds nothing.
    pub async fn keep(mut self, stop: CancellationToken, gone: CancellationToken) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let shown = tokio::select! {
                () = stop.cancelled() => break,
                heard = self.listener.try_recv() => match heard {
                    Ok(Some(notification)) => {
                        self.wake(notification.payload());
                        Ok(())
                    }
                    Ok(None) => self.come_back().await,
                    Err(error) => Err(error),
                },
                _ = beat.tick() => self.greet().await,
            };
            if let Err(error) = shown {
                warn!(
                    instance.id = self.me,
                    error = &error as &dyn std::error::Error,
                    "no sign of life given"
                );
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = beat.tick() => {}
                }
            }
        }
        self.leave().await;
        gone.cancel();
    }

    /// After a lost connection: others may have taken our lanes, and wake-ups may be lost.
    async fn come_back(&mut self) -> Result<(), sqlx::Error> {
        self.greet().await?;
        // Nobody listening is fine.
        let _ = self.wakeups.send(Wakeup::All);
        Ok(())
    }

    /// Takes the advisory lock, if this session has not got it, and gives a sign of life.
    async fn greet(&mut self) -> Result<(), sqlx::Error> {
        const LOCK: &str = "\
            select pg_try_advisory_lock($1, $2)
            where not exists (
                select 1 from pg_locks
                where locktype = 'advisory' and granted and objsubid = 2 and pid = pg_backend_pid()
                  and classid = cast($1 as bigint) and objid = cast($2 as bigint))";
        const SEEN: &str = "\
            insert into instance (id, seen_at)
            values ($1, cast(extract(epoch from clock_timestamp()) * 1000 as bigint))
            on conflict (id) do update set seen_at = excluded.seen_at";
        let number = i32::try_from(self.me).expect("instances are started fewer than two billion times");
        sqlx::query(LOCK).bind(LOCK_CLASS).bind(number).execute(&mut self.listener).await?;
        sqlx::query(SEEN).bind(self.me).execute(&mut self.listener).await?;
        Ok(())
    }

    /// Passes a wake-up on.
    fn wake(&self, lane: &str) {
        let wakeup = lane.parse().map_or(Wakeup::All, |id| Wakeup::Lane(LaneId(id)));
        // Nobody listening is fine.
        let _ = self.wakeups.send(wakeup);
    }

    /// Gives the advisory lock back and disconnects.
    async fn leave(mut self) {
        const UNLOCK: &str = "select pg_advisory_unlock_all()";
        // A session that is lost has lost its lock.
        let _ = sqlx::query(UNLOCK).execute(&mut self.listener).await;
        drop(self.listener);
        self.pool.close().await;
    }
}
