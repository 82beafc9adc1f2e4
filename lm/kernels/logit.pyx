"""The conditional logit of one list in which nothing is corrected: what `suggest.rank` says in numpy, all in one pass.

Two lists are ranked for each keystroke, and this takes a tenth of the time.
"""

from libc.math cimport INFINITY, exp, fmax, fmin, log, log1p, nearbyint
from libcpp.algorithm cimport stable_sort
from libcpp.utility cimport pair
from libcpp.vector cimport vector

ctypedef pair[double, int] Cost

cdef enum:
    NUMBERS = 9  # weights besides the advisers'
    WRITTEN = 0  # the column of `matching` that alone tells what begins with the typed words, written otherwise


cdef inline bint _cheaper(const Cost& one, const Cost& other) noexcept nogil:
    return one.first < other.first


cdef inline double _rounded(double value) noexcept nogil:
    return nearbyint(value * 1e9) / 1e9


cdef void _lower(
    vector[double]& utilities, const vector[char]& elsewhere, const double[::1] counts, double step
) noexcept nogil:
    """Puts what does not begin as typed below all that does and is at least as popular, in the order that it has."""
    cdef int size = <int>utilities.size(), row, each, before
    cdef double cap
    cdef vector[double] free = utilities
    for row in range(size):
        if elsewhere[row]:
            cap, before = INFINITY, 1
            for each in range(size):
                if not elsewhere[each]:
                    if counts[each] > 0 and counts[each] >= counts[row]:
                        cap = fmin(cap, free[each])
                elif free[each] > free[row] + 0.1 * step:  # sums of the same differ in their last bits
                    before += 1
            utilities[row] = fmin(free[row], cap - step * before)


def ranked(
    const double[::1] log_probs,
    const double[::1] counts,
    const double[::1] lengths,
    const double[::1] tokens,
    columns,
    const double[::1] weights,
    const double[::1] costs,
    const double[::1] other,
    double total,
    double least_log_prob,
    double least_other,
    double step,
):
    """Natural-log probabilities and rows of N candidates, best first; equal ones in the order of their rows.

    Args:
        log_probs, counts, lengths, tokens: of `suggest.rank.Candidates`, float64 (N,).
        columns: its unknown_words, log_shares and recency, float64 (N,), advice, float64 (N, A), and matching, float64
            (N, M); each may be None.
        weights: see `suggest.rank.weight_vector`, float64 (9 + A,).
        costs: those of `matching`, float64 (M,).
        other: weights of "another query", float64 (3,).
        total: submissions of all queries with the typed prefix.
        least_log_prob: stands for the models' opinion where they have none.
        least_other: what the models give at least to what is not listed.
        step: how far one that is lowered stands below the other.

    Returns:
        (rows, tied): a list of (log_prob, row), and whether some of them are equal.
    """
    cdef const double[::1] unknown_words, log_shares, recency
    cdef const double[:, :] advice, matching
    cdef bint has_unknown = columns[0] is not None, has_shares = columns[1] is not None
    cdef bint has_recency = columns[2] is not None, has_advice = columns[3] is not None
    cdef bint has_matching = columns[4] is not None
    if has_unknown:
        unknown_words = columns[0]
    if has_shares:
        log_shares = columns[1]
    if has_recency:
        recency = columns[2]
    if has_advice:
        advice = columns[3]
    if has_matching:
        matching = columns[4]
    cdef int size = <int>log_probs.shape[0], advisers = <int>weights.shape[0] - NUMBERS, row, each
    cdef double opinion, rest, listed = 0.0, best = -INFINITY, summed = 0.0, another
    cdef vector[double] utilities
    cdef vector[char] elsewhere, lifted  # rows that do not begin as typed; rows that no generated one should outrank
    cdef vector[Cost] kept
    cdef Cost cost
    cdef bint tied = False
    utilities.resize(size)
    elsewhere.resize(size)
    lifted.resize(size)
    with nogil:
        for row in range(size):
            opinion = fmax(log_probs[row], least_log_prob)
            rest = weights[4] * log(lengths[row]) + weights[5] * log(tokens[row])
            if has_unknown:
                rest -= weights[6] * unknown_words[row]
            if has_advice:
                for each in range(advisers):
                    rest += weights[7 + each] * fmax(advice[row, each], least_log_prob)
            if has_shares:
                rest += weights[7 + advisers] * log_shares[row]
            lifted[row] = counts[row] > 0
            if has_matching:
                for each in range(<int>costs.shape[0]):
                    elsewhere[row] |= matching[row, each] != 0
                    lifted[row] &= each == WRITTEN or matching[row, each] == 0
                    rest += costs[each] * matching[row, each]
            utilities[row] = weights[0] * opinion + rest
            if counts[row] > 0:
                rest += weights[1] * opinion + weights[2] + weights[3] * log1p(counts[row])
                if has_recency:
                    rest += weights[8 + advisers] * recency[row]
                utilities[row] = rest if elsewhere[row] else fmax(utilities[row], rest)
            if not elsewhere[row]:
                listed += exp(log_probs[row])
        for row in range(size):  # a query of the log stands beside any generated one that is no more probable
            if lifted[row]:
                for each in range(size):
                    if counts[each] <= 0 and log_probs[each] <= log_probs[row]:
                        utilities[row] = fmax(utilities[row], utilities[each])
        if has_matching:
            _lower(utilities, elsewhere, counts, step)
        another = other[0] + other[1] * log(fmax(1.0 - listed, least_other)) + other[2] * log1p(total)
        best = another
        for row in range(size):
            utilities[row] = _rounded(utilities[row])
            best = fmax(best, utilities[row])
        summed = exp(another - best)
        for row in range(size):
            summed += exp(utilities[row] - best)
        best += log(summed)
        for row in range(size):
            cost.first = best - utilities[row]
            cost.second = row
            kept.push_back(cost)
        stable_sort(kept.begin(), kept.end(), &_cheaper)
        for row in range(1, <int>kept.size()):
            tied = tied or kept[row].first == kept[row - 1].first
    return [(-cost.first, cost.second) for cost in kept], tied
