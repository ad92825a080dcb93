/// The candidate with the smallest distance. Only the beginning of a long name is compared: nobody means it, and the
/// comparison costs length times length.
pub(super) fn most_like<'a, T: Default>(name: &str, candidates: impl Iterator<Item = (&'a str, T)>) -> T {
    let name: String = name.chars().take(64).collect();
    let score = |candidate: &str| strsim::normalized_damerau_levenshtein(&name, candidate);
    let best = candidates.max_by(|(a, _), (b, _)| score(a).total_cmp(&score(b)));
    best.map(|(_, value)| value).unwrap_or_default()
}
