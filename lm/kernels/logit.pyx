"""The conditional logit of one list in which nothing is corrected: what `suggest.rank` says in numpy, all in one pass.

Two lists are ranked for each keystroke, and this takes a tenth of the time.
"""

from libc.math cimport INFINITY, exp, fmax, log, log1p, nearbyint
from libcpp.algorithm cimport stable_sort
from libcpp.utility cimport pair
from libcpp.vector cimport vector

ctypedef pair[double, int] Cost

cdef enum:
    NUMBERS = 9  # weights besides the advisers'


cdef inline bint _cheaper(const Cost& one, const Cost& other) noexcept nogil:
    return one.first < other.first


cdef inline double _rounded(double value) noexcept nogil:
    return nearbyint(value * 1e9) / 1e9


def ranked(
    const double[::1] log_probs,
    const double[::1] counts,
    const double[::1] lengths,
    const double[::1] tokens,
    columns,
    const double[::1] weights,
    const double[::1] other,
    double total,
    double floor,
    double least_log_prob,
    double least_other,
):
    """Natural-log probabilities and rows of N candidates, best first; equal ones in the order of their rows.

    Args:
        log_probs, counts, lengths, tokens: of `suggest.rank.Candidates`, float64 (N,).
        columns: its unknown_words, log_shares and recency, float64 (N,), and advice, float64 (N, A); each may be None.
        weights: see `suggest.rank.weight_vector`, float64 (9 + A,).
        other: weights of "another query", float64 (3,).
        total: submissions of all queries with the typed prefix.
        floor: probability under which generated ones are left out.
        least_log_prob: stands for the models' opinion where they have none.
        least_other: what the models give at least to what is not listed.

    Returns:
        (rows, tied): a list of (log_prob, row), and whether some of them are equal.
    """
    cdef const double[::1] unknown_words, log_shares, recency
    cdef const double[:, :] advice
    cdef bint has_unknown = columns[0] is not None, has_shares = columns[1] is not None
    cdef bint has_recency = columns[2] is not None, has_advice = columns[3] is not None
    if has_unknown:
        unknown_words = columns[0]
    if has_shares:
        log_shares = columns[1]
    if has_recency:
        recency = columns[2]
    if has_advice:
        advice = columns[3]
    cdef int size = <int>log_probs.shape[0], advisers = <int>weights.shape[0] - NUMBERS, row, each
    cdef double opinion, rest, listed = 0.0, best = -INFINITY, summed = 0.0, another, log_floor
    cdef vector[double] utilities
    cdef vector[Cost] costs
    cdef Cost cost
    cdef bint tied = False
    utilities.resize(size)
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
            utilities[row] = weights[0] * opinion + rest
            if counts[row] > 0:
                rest += weights[1] * opinion + weights[2] + weights[3] * log1p(counts[row])
                if has_recency:
                    rest += weights[8 + advisers] * recency[row]
                utilities[row] = fmax(utilities[row], rest)
            listed += exp(log_probs[row])
        for row in range(size):  # a query of the log stands beside any generated one that is no more probable
            if counts[row] > 0:
                for each in range(size):
                    if counts[each] <= 0 and log_probs[each] <= log_probs[row]:
                        utilities[row] = fmax(utilities[row], utilities[each])
        another = other[0] + other[1] * log(fmax(1.0 - listed, least_other)) + other[2] * log1p(total)
        best = another
        for row in range(size):
            utilities[row] = _rounded(utilities[row])
            best = fmax(best, utilities[row])
        summed = exp(another - best)
        for row in range(size):
            summed += exp(utilities[row] - best)
        best += log(summed)
        log_floor = log(floor) if floor > 0 else -INFINITY
        for row in range(size):
            if counts[row] > 0 or _rounded(utilities[row] - best) >= log_floor:
                cost.first = best - utilities[row]
                cost.second = row
                costs.push_back(cost)
        stable_sort(costs.begin(), costs.end(), &_cheaper)
        for row in range(1, <int>costs.size()):
            tied = tied or costs[row].first == costs[row - 1].first
    return [(-cost.first, cost.second) for cost in costs], tied
