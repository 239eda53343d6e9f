//! A running conversation and the scripts that changed under it.

use std::sync::Arc;

use super::talk::Talk;
use super::turn::Turn;
use crate::script::{End, Set, Site, Step, Versions, Work, run_apart};
use crate::store;

/// Lets a conversation move to the live set when its journal takes the same road there.
///
/// Returns whether the question that waits is still the one the person sees; `false` when the flow asked to begin
/// anew: then the journal is back at its start and must be run.
pub(super) async fn settle(turn: &mut Turn<'_>, talk: &mut Talk) -> Result<bool, store::Error> {
    let live = turn.host.scripts().live();
    if talk.set_hash == live.hash() {
        return Ok(true);
    }
    // A flow that is gone from the live set goes on in its own.
    let Some(rule) = live.flow(&talk.flow).map(|flow| flow.header.versions) else { return Ok(true) };
    match rule {
        Versions::Pin => Ok(true),
        Versions::Restart => {
            live.hash().clone_into(&mut talk.set_hash);
            turn.rewind(talk, 1);
            turn.keep(talk);
            Ok(false)
        }
        Versions::Follow => {
            if let Some(sites) = same_road(turn, talk, &live).await? {
                adopt(turn, talk, &live, &sites);
            }
            Ok(true)
        }
    }
}

/// Lets a parked conversation move to the live set when its journal takes the same road there as far as it goes.
pub(super) async fn heals(turn: &mut Turn<'_>, talk: &mut Talk) -> Result<bool, store::Error> {
    let live = turn.host.scripts().live();
    match same_road(turn, talk, &live).await? {
        Some(sites) => {
            adopt(turn, talk, &live, &sites);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// The places in `live` of the conversation's steps, when it takes the same road there: every step of the journal
/// is found in its place, and the question that waits is the same one, with nothing new said before it.
async fn same_road(turn: &Turn<'_>, talk: &Talk, live: &Arc<Set>) -> Result<Option<Vec<Site>>, store::Error> {
    let Some(own) = turn.host.scripts().find(&talk.set_hash).await? else { return Ok(None) };
    if live.flow(&talk.flow).is_none() {
        return Ok(None);
    }
    let (journal, caller) = (Arc::clone(&talk.journal), turn.caller(&talk.detail.person));
    let ran = run_apart(live, &talk.flow, journal, caller, talk.key_prefix()).await;
    let mut road: Vec<Site> = talk.journal.iter().skip(1).map(|step: &Step| step.site.clone()).collect();
    if let Some(awaiting) = &talk.detail.awaiting {
        let waits = match &ran.end {
            End::Pending(pending) => pending.name == awaiting.name && matches!(pending.work, Work::Ask(_)),
            _ => false,
        };
        if !waits || !ran.steps.is_empty() {
            return Ok(None);
        }
        road.push(Site::parse(&awaiting.site));
    } else if matches!(ran.end, End::Diverged(_) | End::Failed(_)) {
        return Ok(None);
    }
    let is_same = ran.road.len() >= road.len()
        && road.iter().zip(&ran.road).all(|(before, after)| own.keeps_place(before, live, after));
    Ok(is_same.then_some(ran.road))
}

/// Moves a conversation to the live set: its places are the new ones from now on.
fn adopt(turn: &mut Turn<'_>, talk: &mut Talk, live: &Set, sites: &[Site]) {
    live.hash().clone_into(&mut talk.set_hash);
    for (step, site) in Arc::make_mut(&mut talk.journal).iter_mut().skip(1).zip(sites) {
        step.site = site.clone();
    }
    if let (Some(awaiting), Some(site)) = (&mut talk.detail.awaiting, sites.get(talk.journal.len() - 1)) {
        awaiting.site = site.to_string();
    }
    turn.rewrite(talk);
    turn.keep(talk);
}
