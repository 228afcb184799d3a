//! The kit for stores: for each case a store with one fault that the case finds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use gargoyle::conformance::Outcome;
use gargoyle::conformance::storage::{self, Capabilities, Capability};
use gargoyle::{ActorId, MemoryStorage, Revision, Storage, StorageError, StorageErrorKind, Visit};

use crate::shelf::{Done, Fault, Loaded, Save, Saved, Shelf, Sound, error};

const LIMIT: usize = 17 << 20;

/// Cuts what it is given to so many bytes.
#[derive(Default)]
struct Cuts<const BYTES: usize>;

impl<const BYTES: usize> Fault for Cuts<BYTES> {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        Save { bytes: &save.bytes[..save.bytes.len().min(BYTES)], ..save }.on(good)
    }
}

#[derive(Default)]
struct AbsentIsAnError;

impl Fault for AbsentIsAnError {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        good.load(id)?.map(Some).ok_or_else(|| error(StorageErrorKind::Unreachable, id))
    }
}

#[derive(Default)]
struct EmptyIsAbsent;

impl Fault for EmptyIsAbsent {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        Ok(good.load(id)?.filter(|stored| !stored.bytes.is_empty()))
    }
}

/// What is too large is refused when the old record is gone already.
#[derive(Default)]
struct MakesRoomFirst;

impl Fault for MakesRoomFirst {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        if save.bytes.len() <= LIMIT {
            return save.on(good);
        }
        good.wipe(save.id, save.expected)?;
        Err(error(StorageErrorKind::Refused, save.id))
    }
}

/// Takes every record for one of a few, as a hash without a comparison does.
#[derive(Default)]
struct HashCollides;

impl HashCollides {
    fn place(id: &ActorId) -> ActorId {
        let sum: usize = id.key().bytes().map(usize::from).sum();
        ActorId::new(id.kind().to_owned(), (sum % 64).to_string()).unwrap()
    }
}

impl Fault for HashCollides {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        good.load(&Self::place(id))
    }
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        let newest = good.load(&Self::place(save.id))?.map(|stored| stored.revision);
        Save { id: &Self::place(save.id), expected: newest, ..save }.on(good)
    }
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, _: Option<Revision>) -> Done {
        good.wipe(&Self::place(id), None)
    }
}

/// A way to change an id that makes two of some.
trait Confusion: Default + Send + Sync + 'static {
    fn of(id: &ActorId) -> (String, String);
}

/// A store that keeps records by confused ids.
#[derive(Default)]
struct Confused<C>(C);

impl<C: Confusion> Confused<C> {
    fn id(id: &ActorId) -> ActorId {
        let (kind, key) = C::of(id);
        ActorId::new(kind, key).unwrap()
    }
}

impl<C: Confusion> Fault for Confused<C> {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        good.load(&Self::id(id))
    }
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        Save { id: &Self::id(save.id), ..save }.on(good)
    }
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        good.wipe(&Self::id(id), expected)
    }
}

#[derive(Default)]
struct CaseFolds;

impl Confusion for CaseFolds {
    fn of(id: &ActorId) -> (String, String) {
        (id.kind().to_owned(), id.key().to_lowercase())
    }
}

#[derive(Default)]
struct Normalises;

impl Confusion for Normalises {
    fn of(id: &ActorId) -> (String, String) {
        (id.kind().to_owned(), id.key().replace("e\u{301}", "é"))
    }
}

#[derive(Default)]
struct EndsAtNul;

impl Confusion for EndsAtNul {
    fn of(id: &ActorId) -> (String, String) {
        (id.kind().to_owned(), id.key().split('\0').next().unwrap().to_owned())
    }
}

#[derive(Default)]
struct ResolvesPaths;

impl Confusion for ResolvesPaths {
    fn of(id: &ActorId) -> (String, String) {
        (id.kind().to_owned(), id.key().replace("../", "").replace("//", "/"))
    }
}

#[derive(Default)]
struct CutsKeys;

impl Confusion for CutsKeys {
    fn of(id: &ActorId) -> (String, String) {
        (id.kind().to_owned(), id.key().chars().take(511).collect())
    }
}

#[derive(Default)]
struct JoinsWithSlash;

impl Confusion for JoinsWithSlash {
    fn of(id: &ActorId) -> (String, String) {
        ("all".to_owned(), format!("{}/{}", id.kind(), id.key()).chars().take(1000).collect())
    }
}

/// Saves whatever is expected.
#[derive(Default)]
struct LastWriterWins;

impl Fault for LastWriterWins {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        loop {
            let expected = good.load(save.id)?.map(|stored| stored.revision);
            match (Save { expected, ..save }.on(good)) {
                Err(error) if error.kind() == StorageErrorKind::Stale => {}
                ended => return ended,
            }
        }
    }
}

/// Wipes whatever is expected.
#[derive(Default)]
struct WipesAnything;

impl Fault for WipesAnything {
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, _: Option<Revision>) -> Done {
        good.wipe(id, None)
    }
}

/// Wipes whatever is there once somebody has saved. Whoever is first, both are told that they were.
#[derive(Default)]
struct WipesWhatComes;

impl Fault for WipesWhatComes {
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        /// No save is so late.
        const LOOKS_MAX: usize = 10_000_000;
        for _ in 0..LOOKS_MAX {
            if good.load(id)?.map(|stored| stored.revision) != expected {
                break;
            }
            std::thread::yield_now();
        }
        good.wipe(id, None)
    }
}

#[derive(Default)]
struct WipesOnce;

impl Fault for WipesOnce {
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        match good.load(id)? {
            Some(_) => good.wipe(id, expected),
            None => Err(error(StorageErrorKind::Stale, id)),
        }
    }
}

/// Keeps the time to wake for itself.
#[derive(Default)]
struct TellsNoTime;

impl Fault for TellsNoTime {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        Ok(good.load(id)?.map(|stored| gargoyle::Stored { wake_at: None, ..stored }))
    }
}

/// Counts the saves of each id, and begins anew after a wipe: revisions come back.
#[derive(Default)]
struct CountsLives {
    real: Mutex<HashMap<ActorId, Vec<Revision>>>,
}

impl CountsLives {
    fn real(&self, id: &ActorId, shown: Option<Revision>) -> Option<Revision> {
        let unheard = Revision::new(u64::MAX);
        let real = self.real.lock().unwrap();
        shown.map(|n| {
            real.get(id).and_then(|all| all.get((n.get() as usize).wrapping_sub(1))).copied().unwrap_or(unheard)
        })
    }
}

impl Fault for CountsLives {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        let shown = self.real.lock().unwrap().get(id).map_or(0, Vec::len) as u64;
        Ok(good.load(id)?.map(|stored| gargoyle::Stored { revision: Revision::new(shown), ..stored }))
    }
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        let real = Save { expected: self.real(save.id, save.expected), ..save }.on(good)?;
        let mut all = self.real.lock().unwrap();
        let of_id = all.entry(save.id.clone()).or_default();
        of_id.push(real);
        Ok(Revision::new(of_id.len() as u64))
    }
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        good.wipe(id, self.real(id, expected))?;
        self.real.lock().unwrap().remove(id);
        Ok(())
    }
}

/// A load now and then gives the first half of the newest save and the second half of the one before.
#[derive(Default)]
struct Mixes {
    older: Mutex<HashMap<ActorId, Vec<u8>>>,
    loads: AtomicUsize,
}

impl Fault for Mixes {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        let mut stored = good.load(id)?;
        let older = self.older.lock().unwrap();
        if let (Some(stored), Some(older), 0) =
            (&mut stored, older.get(id), self.loads.fetch_add(1, Ordering::Relaxed) % 8)
        {
            let half = stored.bytes.len() / 2;
            stored.bytes.truncate(half);
            stored.bytes.extend(older.iter().skip(half));
        }
        Ok(stored)
    }
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        if let Some(stored) = good.load(save.id)? {
            self.older.lock().unwrap().insert(save.id.clone(), stored.bytes);
        }
        save.on(good)
    }
}

/// Of two saves at the same time, of whatever ids, one is acknowledged and not done.
#[derive(Default)]
struct OneAtATime {
    busy: AtomicBool,
}

impl Fault for OneAtATime {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        if self.busy.swap(true, Ordering::SeqCst) {
            return Ok(Revision::new(save.expected.map_or(1, |revision| revision.get() + 1)));
        }
        // Time for others to come.
        (0..100).for_each(|_| thread::yield_now());
        let saved = save.on(good);
        self.busy.store(false, Ordering::SeqCst);
        saved
    }
}

/// All ids, to show them in a wrong way.
fn all(good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>) -> Vec<ActorId> {
    let mut ids = Vec::new();
    let mut see = |id| {
        ids.push(id);
        ControlFlow::Continue(())
    };
    good.scan(kind, after, &mut see).unwrap();
    ids
}

fn due(good: &MemoryStorage, until: SystemTime) -> Vec<ActorId> {
    let mut ids = Vec::new();
    let mut see = |id| {
        ids.push(id);
        ControlFlow::Continue(())
    };
    good.due(until, &mut see).unwrap();
    ids
}

fn show(ids: Vec<ActorId>, visit: Visit<'_>) -> Done {
    let _ = ids.into_iter().try_for_each(visit);
    Ok(())
}

/// In the order of `kind/key`.
#[derive(Default)]
struct ScansByText;

impl Fault for ScansByText {
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        let mut ids = all(good, kind, after);
        ids.sort_by_key(|id| format!("{}/{}", id.kind(), id.key()));
        show(ids, visit)
    }
}

#[derive(Default)]
struct KindIsAPrefix;

impl Fault for KindIsAPrefix {
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        let mut ids = all(good, None, after);
        ids.retain(|id| kind.is_none_or(|kind| id.kind().starts_with(kind)));
        show(ids, visit)
    }
}

#[derive(Default)]
struct AfterIsFrom;

impl Fault for AfterIsFrom {
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        let mut ids = all(good, kind, None);
        ids.retain(|id| after.is_none_or(|after| id >= after));
        show(ids, visit)
    }
}

#[derive(Default)]
struct NeverBreaks;

impl Fault for NeverBreaks {
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        all(good, kind, after).into_iter().for_each(|id| {
            let _ = visit(id);
        });
        Ok(())
    }
    fn due(&self, good: &MemoryStorage, until: SystemTime, visit: Visit<'_>) -> Done {
        due(good, until).into_iter().for_each(|id| {
            let _ = visit(id);
        });
        Ok(())
    }
}

/// Shows what was there when it was asked first.
#[derive(Default)]
struct ScansACopy {
    first: Mutex<Option<Vec<ActorId>>>,
}

impl Fault for ScansACopy {
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        let first = self.first.lock().unwrap().get_or_insert_with(|| all(good, kind, after)).clone();
        show(first, visit)
    }
}

/// Goes from place to place, and what is inserted or removed before the place moves all others.
#[derive(Default)]
struct PagesByPlace;

impl Fault for PagesByPlace {
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        let mut place = 0;
        while let Some(id) = all(good, kind, after).into_iter().nth(place) {
            place += 1;
            if visit(id).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Leaves out one whose record is being saved, as one does that takes an entry out and puts it back.
#[derive(Default)]
struct HidesWhileSaving {
    saving: Mutex<HashSet<ActorId>>,
    shown: AtomicUsize,
}

impl HidesWhileSaving {
    fn show(&self, mut ids: Vec<ActorId>, visit: Visit<'_>) -> Done {
        ids.retain(|id| !self.saving.lock().unwrap().contains(id));
        self.shown.fetch_add(1, Ordering::SeqCst);
        show(ids, visit)
    }

    /// Until somebody has looked, or nobody does.
    fn wait_for_a_look(&self) {
        let before = self.shown.load(Ordering::SeqCst);
        for _ in 0..100_000 {
            if self.shown.load(Ordering::SeqCst) > before {
                return;
            }
            thread::yield_now();
        }
    }
}

impl Fault for HidesWhileSaving {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        if save.expected.is_some() {
            self.saving.lock().unwrap().insert(save.id.clone());
            self.wait_for_a_look();
        }
        let saved = save.on(good);
        self.saving.lock().unwrap().remove(save.id);
        saved
    }
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        self.show(all(good, kind, after), visit)
    }
    fn due(&self, good: &MemoryStorage, until: SystemTime, visit: Visit<'_>) -> Done {
        self.show(due(good, until), visit)
    }
}

/// Holds the lock that saves need while it shows.
#[derive(Default)]
struct HoldsALock {
    lock: Mutex<()>,
}

impl Fault for HoldsALock {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        let _lock = self.lock.lock().unwrap();
        save.on(good)
    }
    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        let _lock = self.lock.lock().unwrap();
        good.scan(kind, after, visit)
    }
    fn due(&self, good: &MemoryStorage, until: SystemTime, visit: Visit<'_>) -> Done {
        let _lock = self.lock.lock().unwrap();
        good.due(until, visit)
    }
}

/// Before the moment, and not at it.
#[derive(Default)]
struct DueTooLate;

impl Fault for DueTooLate {
    fn due(&self, good: &MemoryStorage, until: SystemTime, visit: Visit<'_>) -> Done {
        good.due(until - Duration::from_millis(1), visit)
    }
}

/// An index of times beside the records, which nobody takes anything out of in some event.
#[derive(Default)]
struct StaleTimes<const AT_SAVE: bool> {
    times: Mutex<BTreeMap<(SystemTime, ActorId), ()>>,
}

impl<const AT_SAVE: bool> StaleTimes<AT_SAVE> {
    fn forget(&self, id: &ActorId) {
        self.times.lock().unwrap().retain(|(_, of), ()| of != id);
    }
}

impl<const AT_SAVE: bool> Fault for StaleTimes<AT_SAVE> {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        let saved = save.on(good)?;
        if !AT_SAVE {
            self.forget(save.id);
        }
        if let Some(at) = save.wake_at {
            self.times.lock().unwrap().insert((at, save.id.clone()), ());
        }
        Ok(saved)
    }
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        good.wipe(id, expected)?;
        if AT_SAVE {
            self.forget(id);
        }
        Ok(())
    }
    fn due(&self, _: &MemoryStorage, until: SystemTime, visit: Visit<'_>) -> Done {
        let times = self.times.lock().unwrap().clone();
        show(times.into_keys().filter(|(at, _)| *at <= until).map(|(_, id)| id).collect(), visit)
    }
}

/// A time before 1970 is none.
#[derive(Default)]
struct NoTimeBefore1970;

impl Fault for NoTimeBefore1970 {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        Save { wake_at: save.wake_at.filter(|at| *at >= SystemTime::UNIX_EPOCH), ..save }.on(good)
    }
}

/// Right in all that is easy to think of: a save of the same length as the record before is not written.
#[derive(Default)]
struct SkipsWhatLooksTheSame;

impl Fault for SkipsWhatLooksTheSame {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        match good.load(save.id)? {
            Some(old) if old.bytes.len() == save.bytes.len() => Save { bytes: &old.bytes, ..save }.on(good),
            _ => save.on(good),
        }
    }
}

/// What is there after a reopening: those of the records that `keeps` lets through, saved anew from a count of 0.
fn saved_anew(good: MemoryStorage, keeps: impl Fn(usize, &ActorId) -> bool) -> MemoryStorage {
    let anew = MemoryStorage::new();
    for (n, id) in all(&good, None, None).into_iter().enumerate() {
        let stored = good.load(&id).unwrap().unwrap();
        if keeps(n, &id) {
            anew.save(&id, None, &stored.bytes, None).unwrap();
        }
    }
    anew
}

#[derive(Default)]
struct ForgetsTheLast;

impl Fault for ForgetsTheLast {
    fn reopened(&self, good: MemoryStorage) -> MemoryStorage {
        if let Some(last) = all(&good, None, None).last() {
            good.wipe(last, None).unwrap();
        }
        good
    }
}

#[derive(Default)]
struct CountsAnew;

impl Fault for CountsAnew {
    fn reopened(&self, good: MemoryStorage) -> MemoryStorage {
        saved_anew(good, |_, _| true)
    }
}

/// What was wiped is back after a reopening.
#[derive(Default)]
struct Resurrects {
    wiped: Mutex<HashMap<ActorId, Vec<u8>>>,
}

impl Fault for Resurrects {
    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        let old = good.load(id)?;
        good.wipe(id, expected)?;
        self.wiped.lock().unwrap().extend(old.map(|old| (id.clone(), old.bytes)));
        Ok(())
    }
    fn reopened(&self, good: MemoryStorage) -> MemoryStorage {
        for (id, bytes) in self.wiped.lock().unwrap().drain() {
            let _ = good.save(&id, None, &bytes, None);
        }
        good
    }
}

#[derive(Default)]
struct LetsEverybodyIn;

impl Fault for LetsEverybodyIn {
    fn lets_in(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct TellsNoName;

impl Fault for TellsNoName {
    fn refusal(&self) -> String {
        "in use".into()
    }
}

#[derive(Default)]
struct DamagedIsAbsent;

impl Fault for DamagedIsAbsent {
    fn load_damaged(&self, _: &MemoryStorage, _: &ActorId) -> Loaded {
        Ok(None)
    }
}

#[derive(Default)]
struct SavesOverDamage;

impl Fault for SavesOverDamage {
    fn save_damaged(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        good.wipe(save.id, None)?;
        Save { expected: None, ..save }.on(good)
    }
}

#[derive(Default)]
struct DamageOutlivesAWipe;

impl Fault for DamageOutlivesAWipe {
    fn wipe_damaged(&self, _: &MemoryStorage, _: &ActorId) -> Result<bool, StorageError> {
        Ok(false)
    }
}

/// A scan ends at the record that it cannot read, as if it were the last.
#[derive(Default)]
struct ScansUpToDamage;

impl Fault for ScansUpToDamage {
    fn scan_beside_damage(
        &self,
        good: &MemoryStorage,
        kind: Option<&str>,
        after: Option<&ActorId>,
        visit: Visit<'_>,
    ) -> Done {
        show(all(good, kind, after).into_iter().take(1).collect(), visit)
    }
}

#[derive(Default)]
struct SavesInVain;

impl Fault for SavesInVain {
    fn save_failing(&self, _: &MemoryStorage, save: Save<'_>) -> Saved {
        Ok(Revision::new(save.expected.map_or(1, |revision| revision.get() + 1)))
    }
}

#[derive(Default)]
struct UnreachableIsAbsent;

impl Fault for UnreachableIsAbsent {
    fn load_failing(&self, _: &MemoryStorage, _: &ActorId) -> Loaded {
        Ok(None)
    }
}

/// Takes the old record away before it finds that it cannot write the new one.
#[derive(Default)]
struct FailsHalfway;

impl Fault for FailsHalfway {
    fn save_failing(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        good.wipe(save.id, None)?;
        Err(error(StorageErrorKind::Full, save.id))
    }
}

/// Writes what it has in mind when an actor comes to rest: the save before, and not the last one.
#[derive(Default)]
struct WritesBackTooMuch(Mutex<HashMap<ActorId, Vec<u8>>>);

impl Fault for WritesBackTooMuch {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        let before = good.load(save.id)?;
        let saved = save.on(good)?;
        let before = before.map_or_else(|| save.bytes.to_vec(), |stored| stored.bytes);
        self.0.lock().unwrap().insert(save.id.clone(), before);
        Ok(saved)
    }
    fn rest(&self, good: &MemoryStorage, id: &ActorId) {
        let (Some(bytes), Ok(Some(there))) = (self.0.lock().unwrap().remove(id), good.load(id)) else { return };
        let _ = good.save(id, Some(there.revision), &bytes, there.wake_at);
    }
}

/// What comes to rest makes room on the shelf.
#[derive(Default)]
struct RestIsTheEnd;

impl Fault for RestIsTheEnd {
    fn rest(&self, good: &MemoryStorage, id: &ActorId) {
        let _ = good.wipe(id, None);
    }
}

/// A store with a fault, and the case that has to find it.
struct Fake {
    name: &'static str,
    case: &'static str,
    run: fn(&str) -> Outcome,
}

fn fake<F: Fault>(case: &'static str) -> Fake {
    let name = std::any::type_name::<F>();
    Fake { name, case, run: |case| storage::run_one(case, Shelf::<F>::new, capabilities()) }
}

fn capabilities() -> Capabilities {
    // What holds a lock keeps the case waiting for so long.
    Capabilities::full().record_bytes_max(LIMIT).sequences(2000).patience(Duration::from_millis(300))
}

fn fakes() -> Vec<Fake> {
    vec![
        fake::<AbsentIsAnError>("absent_is_not_an_error"),
        fake::<EmptyIsAbsent>("records_of_all_sizes"),
        fake::<Cuts<65_536>>("records_of_all_sizes"),
        fake::<Cuts<{ 8 << 20 }>>("records_of_16_mib"),
        fake::<Cuts<LIMIT>>("records_over_the_limit"),
        fake::<Sound>("records_over_the_limit"),
        fake::<MakesRoomFirst>("records_over_the_limit"),
        fake::<WritesBackTooMuch>("rest_changes_nothing"),
        fake::<RestIsTheEnd>("rest_changes_nothing"),
        fake::<WritesBackTooMuch>("random_sequences"),
        fake::<HashCollides>("a_save_touches_no_other_id"),
        fake::<Confused<CaseFolds>>("hostile_keys"),
        fake::<Confused<Normalises>>("hostile_keys"),
        fake::<Confused<EndsAtNul>>("hostile_keys"),
        fake::<Confused<ResolvesPaths>>("hostile_keys"),
        fake::<Confused<CutsKeys>>("long_keys"),
        fake::<Confused<JoinsWithSlash>>("hostile_kinds"),
        fake::<LastWriterWins>("stale_saves_change_nothing"),
        fake::<WipesAnything>("stale_wipes_change_nothing"),
        fake::<WipesOnce>("wipe_is_idempotent"),
        fake::<CountsLives>("revisions_rise"),
        fake::<CountsLives>("no_revision_comes_back"),
        fake::<LastWriterWins>("one_winner_per_revision"),
        fake::<WipesWhatComes>("a_save_or_a_wipe"),
        fake::<Mixes>("loads_see_whole_saves"),
        fake::<OneAtATime>("ids_at_the_same_time"),
        fake::<ScansByText>("scans_are_in_order"),
        fake::<KindIsAPrefix>("scans_by_kind"),
        fake::<AfterIsFrom>("scans_after_an_id"),
        fake::<NeverBreaks>("scans_end_at_a_break"),
        fake::<ScansACopy>("scans_load_nothing_stale"),
        fake::<PagesByPlace>("scans_are_stable_while_visited"),
        fake::<HidesWhileSaving>("scans_are_stable_while_written"),
        fake::<HoldsALock>("scan_holds_no_lock"),
        fake::<DueTooLate>("due_by_time"),
        fake::<StaleTimes<true>>("due_follows_the_newest_save"),
        fake::<TellsNoTime>("loads_tell_the_time"),
        fake::<StaleTimes<false>>("due_forgets_the_wiped"),
        fake::<NoTimeBefore1970>("due_at_the_edges_of_time"),
        fake::<HidesWhileSaving>("due_is_complete_while_written"),
        fake::<NeverBreaks>("due_ends_at_a_break"),
        fake::<HoldsALock>("due_holds_no_lock"),
        fake::<SkipsWhatLooksTheSame>("random_sequences"),
        fake::<CountsLives>("random_sequences"),
        fake::<ForgetsTheLast>("reopened_records_are_the_same"),
        fake::<Resurrects>("reopened_absence_is_the_same"),
        fake::<CountsAnew>("reopened_revisions_go_on"),
        fake::<LetsEverybodyIn>("a_second_opener_is_refused"),
        fake::<TellsNoName>("a_second_opener_is_told_which"),
        fake::<DamagedIsAbsent>("damage_is_never_absence"),
        fake::<SavesOverDamage>("damage_is_left_as_it_is"),
        fake::<DamageOutlivesAWipe>("damage_is_wiped_on_demand"),
        fake::<ScansUpToDamage>("damage_stays_where_it_is"),
        fake::<SavesInVain>("failures_surface"),
        fake::<UnreachableIsAbsent>("failures_surface"),
        fake::<FailsHalfway>("failures_lose_nothing"),
    ]
}

#[test]
fn every_fault_is_found_by_its_case() {
    let missed: Vec<_> = fakes()
        .iter()
        .filter_map(|fake| match (fake.run)(fake.case) {
            Outcome::Failed(what) => {
                println!("{} fails {}: {what}", fake.name, fake.case);
                None
            }
            other => Some(format!("{} ended {other:?} in {}", fake.name, fake.case)),
        })
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_case_has_a_fault_that_it_finds() {
    let found: HashSet<_> = fakes().iter().map(|fake| fake.case).collect();
    let missing: Vec<_> = storage::cases().map(|case| case.name).filter(|name| !found.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Refuses what is over its limit, and has no other fault either.
#[derive(Default)]
struct Limited;

impl Fault for Limited {
    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        if save.bytes.len() > LIMIT { Err(error(StorageErrorKind::Refused, save.id)) } else { save.on(good) }
    }
}

#[test]
fn a_sound_store_passes_every_case_and_none_is_skipped() {
    let report = storage::run_all(Shelf::<Limited>::new, capabilities().patience(Duration::from_secs(30)));
    assert_eq!(report.skipped(), Vec::<&str>::new());
    assert_eq!(report.passed().len(), storage::cases().count());
}

#[test]
fn the_memory_passes_and_what_it_lacks_is_reported() {
    let capabilities = Capabilities::full()
        .lacks(Capability::Reopen, "nothing survives the process")
        .lacks(Capability::Faults, "memory does not fail");
    let report = storage::run_all(|| || Ok(MemoryStorage::new()), capabilities);
    println!("{report}");
    let needs = ["reopened", "a_second_opener", "damage", "failures", "records_over_the_limit"];
    let skipped = |name: &&str| needs.iter().any(|start| name.starts_with(start));
    let expected: Vec<_> = storage::cases().map(|case| case.name).filter(skipped).collect();
    assert_eq!(report.skipped(), expected);
    assert!(
        report.to_string().contains("skipped  damage_is_never_absence: lacks Reopen: nothing survives the process")
    );
}

#[test]
#[should_panic(expected = "FAILED   wipe_is_idempotent: a wipe of what is wiped already is Ok")]
fn a_failure_names_the_case_and_what_was_seen() {
    let capabilities = capabilities().sequences(1);
    storage::run_all(Shelf::<WipesOnce>::new, capabilities);
}

#[test]
fn a_capability_that_is_declared_and_not_there_is_a_failure() {
    let medium = || || Ok(MemoryStorage::new());
    for case in ["damage_is_never_absence", "failures_surface", "a_second_opener_is_told_which"] {
        let outcome = storage::run_one(case, medium, Capabilities::full());
        assert!(matches!(&outcome, Outcome::Failed(what) if what.contains("declare the lack")), "{outcome:?}");
    }
}
