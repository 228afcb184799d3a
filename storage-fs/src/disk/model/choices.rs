//! Which of many outcomes are looked at, the same in every run.

/// Which outcome of each is to be looked at.
pub(super) fn choices(outcomes: &[usize], cases_max: usize, random: &mut Random) -> Vec<Vec<usize>> {
    let all = outcomes.iter().try_fold(1_usize, |all, n| all.checked_mul(*n).filter(|all| *all <= cases_max));
    if let Some(all) = all {
        let nth = |mut n: usize| {
            let digit = |outcomes: &usize| (n % outcomes, n /= outcomes).0;
            outcomes.iter().map(digit).collect()
        };
        return (0..all).map(nth).collect();
    }
    let lost = vec![0; outcomes.len()];
    let kept: Vec<usize> = outcomes.iter().map(|n| n - 1).collect();
    let mut chosen = vec![lost.clone(), kept.clone()];
    for (axis, n) in outcomes.iter().enumerate() {
        for (others, outcome) in [&lost, &kept].into_iter().flat_map(|others| (0..*n).map(move |o| (others, o))) {
            let mut case = others.clone();
            case[axis] = outcome;
            chosen.push(case);
        }
    }
    // Those that everything else depends on stay; of the rest a fair part.
    while chosen.len() > cases_max {
        chosen.swap_remove(2 + random.below(chosen.len() - 2));
    }
    while chosen.len() < cases_max {
        chosen.push(outcomes.iter().map(|n| random.below(*n)).collect());
    }
    chosen
}

/// Numbers that are the same in every run.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
