//! How much each person has asked the helper's model today.

use super::tx::Tx;
use super::{Error, Store};
use crate::telegram::UserId;

impl Store {
    /// Counts a question of somebody to the helper's model; false when they have asked as many as they may that day.
    pub async fn count_question(&self, user: UserId, day: String, most: i64) -> Result<bool, Error> {
        self.job(move |tx| Box::pin(async move { count(tx, user, &day, most).await })).await
    }
}

/// Counts a question of somebody, unless they have asked as many as they may today.
async fn count(tx: &mut Tx, user: UserId, day: &str, most: i64) -> Result<bool, Error> {
    const SQL: &str = "\
        insert into helper_question (user_id, day, asked)
        values ($1, $2, 1)
        on conflict (user_id) do update
        set asked = case when helper_question.day = excluded.day then helper_question.asked + 1 else 1 end,
            day = excluded.day
        where helper_question.day <> excluded.day or helper_question.asked < $3
        returning asked";
    let counted: Vec<(i64,)> =
        tx.rows("count a question to the helper", SQL, &[user.0.into(), day.into(), most.into()]).await?;
    Ok(!counted.is_empty())
}
