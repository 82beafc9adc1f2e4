"""The successor table of an n-gram model: exact scores, next-token distributions and a beam.

A context is an int64: its length in the top byte, below it the position of its n-gram in that order's arrays; 0 is
the empty context. An entry of order k keeps its token, its log probability, its back-off weight, where its
successors begin in order k + 1, and the position in order k - 1 of the n-gram without its first word.

A token that a context has not seen is scored after the context without its first word, times the back-off weight.
With `uniform_unseen` (add-delta smoothing) all tokens that a context has not seen are equally probable instead, and
its "back-off weight" is the log probability of each; states still follow the longest n-gram that was seen.
"""

import numpy as np
from libc.math cimport exp, log, log1p
from libc.stdint cimport int8_t, int32_t, int64_t, uint32_t
from libcpp.algorithm cimport pop_heap, push_heap, sort
from libcpp.vector cimport vector

from lm.kernels.ranges cimport Entry, RangeMaxima, Tree, cover, take
from lm.kernels.word_walk cimport Words, WordWalk, ends_query, ends_word, node_of
from lm.kernels.word_walk cimport step as word_step

cdef enum:
    MAX_ORDER = 7
    LEVEL_SHIFT = 56
    SCAN = 256
    BEGIN = 1
    END = 2
    SPACE_BYTES = 3  # of the sign before a word, with which what was typed begins
    FEW = 24  # words that go on from a place, up to which each is looked up by itself

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define fetch_soon(address) __builtin_prefetch(address)
    #else
    #define fetch_soon(address) ((void)(address))
    #endif
    """
    void fetch_soon(const void* address) noexcept nogil

cdef float NEGATIVE_INFINITY = -float("inf")


cdef struct Proposal:
    float log_prob
    float step
    int32_t token
    int32_t parent
    int32_t offset
    int64_t found  # where: order and position of the n-gram as in a context; or the context that follows; -1: unknown


cdef struct Hypothesis:
    float log_prob
    float step
    int32_t token
    int32_t parent
    int32_t offset
    int32_t state
    int64_t context


cdef struct Typed:
    # of the typed text, as `SuccessorKernel.beam` takes it
    int32_t size
    const int32_t* lows
    const int32_t* highs
    const int32_t* part_starts
    const int32_t* part_tokens
    const int32_t* part_offsets


cdef Typed _typed(constraint):
    cdef const int32_t[::1] lows = constraint[0], highs = constraint[1], starts = constraint[2]
    cdef const int32_t[::1] tokens = constraint[3], offsets = constraint[4]
    cdef Typed typed
    typed.size = <int32_t>lows.shape[0]
    if typed.size > 0:
        typed.lows, typed.highs = &lows[0], &highs[0]
    typed.part_starts = &starts[0]
    if tokens.shape[0] > 0:
        typed.part_tokens, typed.part_offsets = &tokens[0], &offsets[0]
    return typed


cdef inline _log(double mass):
    return log(mass) if mass > 0 else NEGATIVE_INFINITY


cdef inline bint _better(const Proposal& first, const Proposal& second) noexcept nogil:
    # A heap ordered by this has its worst proposal in front. Ties: earlier parent, then lower id.
    if first.log_prob != second.log_prob:
        return first.log_prob > second.log_prob
    if first.parent != second.parent:
        return first.parent < second.parent
    return first.token < second.token


cdef inline double _log_sum(double first, double second) noexcept nogil:
    """log(exp first + exp second); `second` is finite."""
    if first < second:
        return second + log1p(exp(first - second))
    return first + log1p(exp(second - first))


cdef class SuccessorKernel:
    """Arrays of all orders, as `lm.models.ngram` lays them out (see there for shapes)."""

    cdef readonly int order
    cdef int32_t _vocabulary_size
    cdef object _keep
    cdef const int32_t* _tokens[MAX_ORDER]
    cdef const float* _log_probs[MAX_ORDER]
    cdef const float* _backoffs[MAX_ORDER]
    cdef const uint32_t* _successors[MAX_ORDER]
    cdef const uint32_t* _suffixes[MAX_ORDER]
    cdef Tree _trees[MAX_ORDER]
    cdef float _unigram_maximum
    cdef const float[::1] _unigrams  # probabilities
    cdef double _residual
    cdef bint _uniform

    def __init__(self, levels, double residual_log_prob, bint uniform_unseen=False):
        """
        Args:
            levels: one mapping an order with `tokens` int32, `log_probs` float32, `maxima` float32 and, where the
                order has them, `backoffs` float32, `successors` uint32 (n + 1,), `suffixes` uint32.
            residual_log_prob: unigram log probability of words never seen, shared out to id 0 besides what the
                model itself says of it.
            uniform_unseen: tokens not seen after a context are equally probable.
        """
        cdef const int32_t[::1] tokens
        cdef const float[::1] floats
        cdef const uint32_t[::1] positions
        self._keep = levels
        self.order = len(levels)
        self._residual = residual_log_prob
        self._uniform = uniform_unseen
        self._vocabulary_size = len(levels[0]["log_probs"])
        self._unigram_maximum = max(levels[0]["log_probs"], default=NEGATIVE_INFINITY)
        self._unigrams = np.exp(levels[0]["log_probs"])
        cdef RangeMaxima maxima
        for level, arrays in enumerate(levels, start=1):
            tokens = arrays["tokens"]
            self._tokens[level] = &tokens[0] if len(tokens) else NULL
            floats = arrays["log_probs"]
            self._log_probs[level] = &floats[0] if len(floats) else NULL
            maxima = RangeMaxima(arrays["log_probs"], arrays["maxima"])
            self._trees[level] = maxima.tree
            self._backoffs[level] = NULL
            self._successors[level] = NULL
            self._suffixes[level] = NULL
            if level < self.order:
                floats = arrays["backoffs"]
                self._backoffs[level] = &floats[0] if len(floats) else NULL
                positions = arrays["successors"]
                self._successors[level] = &positions[0]
            if level > 1:
                positions = arrays["suffixes"]
                self._suffixes[level] = &positions[0] if len(positions) else NULL

    cdef inline int64_t _shorter(self, int64_t context) noexcept nogil:
        """The context without its first word."""
        cdef int level = <int>(context >> LEVEL_SHIFT)
        cdef int64_t index = context & ((<int64_t>1 << LEVEL_SHIFT) - 1)
        if level <= 1:
            return 0
        return (<int64_t>(level - 1) << LEVEL_SHIFT) | self._suffixes[level][index]

    cdef inline void _row(self, int64_t context, int64_t* start, int64_t* end) noexcept nogil:
        """Where the context's successors stand in the order above it."""
        cdef int level = <int>(context >> LEVEL_SHIFT)
        cdef int64_t index = context & ((<int64_t>1 << LEVEL_SHIFT) - 1)
        if level == 0:
            start[0] = 0
            end[0] = self._vocabulary_size
        else:
            start[0] = self._successors[level][index]
            end[0] = self._successors[level][index + 1]

    cdef inline float _backoff(self, int64_t context) noexcept nogil:
        cdef int level = <int>(context >> LEVEL_SHIFT)
        return self._backoffs[level][context & ((<int64_t>1 << LEVEL_SHIFT) - 1)] if level > 0 else 0.0

    cdef inline int64_t _lower(self, int level, int64_t low, int64_t high, int32_t token) noexcept nogil:
        """First position of [low, high) whose token is not below `token`."""
        cdef const int32_t* tokens = self._tokens[level]
        cdef int64_t middle
        if level == 1:
            return min(max(low, token), high)
        while low < high:
            middle = (low + high) >> 1
            if tokens[middle] < token:
                low = middle + 1
            else:
                high = middle
        return low

    cdef inline float _unseen(self, int64_t context, int32_t token) noexcept nogil:
        """Of a token that the context has not seen, where all such tokens are equally probable."""
        return NEGATIVE_INFINITY if token == BEGIN else self._backoff(context)

    cdef float _score(self, int64_t context, int32_t token, int64_t* following) noexcept nogil:
        """Natural-log probability of `token` after `context`; sets the context that follows."""
        cdef float backoff = 0.0
        cdef int64_t start, end, position
        cdef int level
        cdef float log_prob
        cdef int64_t walk = context
        while True:
            level = <int>(walk >> LEVEL_SHIFT) + 1
            self._row(walk, &start, &end)
            position = self._lower(level, start, end, token)
            if position < end and self._tokens[level][position] == token:
                break
            backoff += self._backoff(walk)
            walk = self._shorter(walk)
        log_prob = backoff + self._log_probs[level][position]
        if self._uniform and walk != context:
            log_prob = self._unseen(context, token)
        following[0] = self._following((<int64_t>level << LEVEL_SHIFT) | position)
        return log_prob

    cdef inline int64_t _following(self, int64_t ngram) noexcept nogil:
        """The context after an n-gram, which is given as a context is."""
        cdef int64_t start, end
        if <int>(ngram >> LEVEL_SHIFT) == self.order:
            ngram = self._shorter(ngram)
        if self._uniform:
            # A context that was never continued says nothing, not that all tokens are equally probable.
            self._row(ngram, &start, &end)
            while start == end:
                ngram = self._shorter(ngram)
                self._row(ngram, &start, &end)
        return ngram

    cdef double _residual_after(self, int64_t context) noexcept nogil:
        cdef double backoff = 0.0
        while context != 0:
            backoff += self._backoff(context)
            context = self._shorter(context)
        return backoff + self._residual

    def score(self, int64_t context, int32_t token):
        """(natural-log probability of `token` after `context`, the context that follows)."""
        cdef int64_t following = 0
        cdef double log_prob
        if not 0 <= token < self._vocabulary_size:
            raise IndexError(f"token {token} of {self._vocabulary_size}")
        log_prob = self._score(context, token, &following)
        if token == 0:
            log_prob = np.logaddexp(log_prob, self._residual_after(context))
        return log_prob, following

    def score_all(self, int64_t context, const int32_t[::1] tokens):
        """Scores a sequence: (log probabilities float32 (n,), the context after it)."""
        cdef int64_t following = context
        cdef Py_ssize_t position
        scores = np.empty(tokens.shape[0], np.float32)
        cdef float[::1] scores_ = scores
        for position in range(tokens.shape[0]):
            scores_[position], following = self.score(following, tokens[position])
        return scores, following

    def score_rows(self, int64_t context, const int32_t[::1] tokens, const int64_t[::1] starts):
        """Natural-log probabilities of each row of tokens after one context, and of its first token, float64 (rows,) each.

        Args:
            tokens: of all rows, one after the other.
            starts: where each row begins, and where the last one ends, int64 (rows + 1,).
        """
        cdef Py_ssize_t row, position
        cdef int64_t before, following
        cdef double log_prob
        sums, firsts = np.zeros(len(starts) - 1, np.float64), np.zeros(len(starts) - 1, np.float64)
        cdef double[::1] sums_ = sums, firsts_ = firsts
        if len(sums) and starts[len(sums)] > len(tokens):
            raise ValueError("A row ends behind the tokens.")
        for position in range(tokens.shape[0]):
            if not 0 <= tokens[position] < self._vocabulary_size:
                raise IndexError(f"token {tokens[position]} of {self._vocabulary_size}")
        with nogil:
            for row in range(sums_.shape[0]):
                following = context
                for position in range(starts[row], starts[row + 1]):
                    before = following
                    log_prob = self._score(before, tokens[position], &following)
                    if tokens[position] == 0 and self._residual > NEGATIVE_INFINITY:
                        log_prob = _log_sum(log_prob, self._residual_after(before))
                    sums_[row] += log_prob
                    if position == starts[row]:
                        firsts_[row] = log_prob
        return sums, firsts

    def matched_order(self, int64_t context):
        """Words of the context that the model has seen together."""
        return <int>(context >> LEVEL_SHIFT)

    def contexts(self, int64_t context, const int32_t[::1] tokens):
        """The contexts int64 (n,) before each token of a sequence that begins after `context`."""
        cdef Py_ssize_t position
        cdef int64_t following = 0
        before = np.empty(tokens.shape[0], np.int64)
        cdef int64_t[::1] before_ = before
        for position in range(tokens.shape[0]):
            if not 0 <= tokens[position] < self._vocabulary_size:
                raise IndexError(f"token {tokens[position]} of {self._vocabulary_size}")
            before_[position] = context
            self._score(context, tokens[position], &following)
            context = following
        return before

    def features(self, const int64_t[::1] contexts):
        """What the table knows of contexts: (matched orders int8 (n,), natural-log back-off weights float32 (n,))."""
        cdef Py_ssize_t position
        orders = np.empty(contexts.shape[0], np.int8)
        backoffs = np.empty(contexts.shape[0], np.float32)
        cdef int8_t[::1] orders_ = orders
        cdef float[::1] backoffs_ = backoffs
        for position in range(contexts.shape[0]):
            orders_[position] = <int8_t>(contexts[position] >> LEVEL_SHIFT)
            backoffs_[position] = self._backoff(contexts[position])
        return orders, backoffs

    cdef void _distribution(self, int64_t context, int32_t low, int32_t high, float* out) noexcept nogil:
        cdef int64_t chain[MAX_ORDER]
        cdef float backoffs[MAX_ORDER]
        cdef int depth = 0
        cdef int64_t walk = context
        cdef float backoff = 0.0
        cdef int64_t start, end, position
        cdef int level
        cdef int32_t token
        while walk != 0:
            chain[depth] = walk
            backoffs[depth] = backoff
            backoff += self._backoff(walk)
            walk = self._shorter(walk)
            depth += 1
        for token in range(low, high):
            out[token - low] = self._log_probs[1][token] + backoff
        if self._uniform and context != 0:
            for token in range(low, high):
                out[token - low] = self._unseen(context, token)
            depth = 1
        # Shortest context first: a longer one overwrites what it has seen.
        while depth > 0:
            depth -= 1
            level = <int>(chain[depth] >> LEVEL_SHIFT) + 1
            self._row(chain[depth], &start, &end)
            position = self._lower(level, start, end, low)
            while position < end and self._tokens[level][position] < high:
                out[self._tokens[level][position] - low] = self._log_probs[level][position] + backoffs[depth]
                position += 1

    def distribution(self, int64_t context, int32_t low, int32_t high):
        """Natural-log probabilities float32 (high - low,) of the tokens [low, high) after `context`."""
        if not 0 <= low <= high <= self._vocabulary_size:
            raise IndexError(f"[{low}, {high}) of {self._vocabulary_size} tokens")
        log_probs = np.empty(high - low, np.float32)
        cdef float[::1] out = log_probs
        if high > low:
            with nogil:
                self._distribution(context, low, high, &out[0])
            if low == 0:
                log_probs[0] = np.logaddexp(log_probs[0], self._residual_after(context))
        return log_probs

    def mix(self, const int64_t[::1] contexts, const float[::1] shares, float[:, ::1] probs):
        """Mixes the n-gram model's probabilities after contexts into another model's, in place.

        Args:
            contexts: int64 (N,).
            shares: the n-gram model's share after each, float32 (N,).
            probs: the other model's probabilities of all tokens, float32 (N, V).
        """
        cdef Py_ssize_t row
        cdef int32_t token
        cdef float share, rest
        cdef vector[float] own
        if shares.shape[0] != contexts.shape[0] or probs.shape[0] != contexts.shape[0]:
            raise ValueError(f"{contexts.shape[0]} contexts, {shares.shape[0]} shares, {probs.shape[0]} rows")
        if probs.shape[1] != self._vocabulary_size:
            raise ValueError(f"{probs.shape[1]} columns, {self._vocabulary_size} tokens")
        with nogil:
            own.resize(self._vocabulary_size)
            for row in range(contexts.shape[0]):
                self._probs(contexts[row], own.data())
                share = shares[row]
                rest = 1 - share
                for token in range(self._vocabulary_size):
                    probs[row, token] = share * own[token] + rest * probs[row, token]

    cdef void _probs(self, int64_t context, float* out) noexcept nogil:
        """Probabilities of all tokens after a context. Of what no longer context has seen they take no exponential."""
        cdef int64_t chain[MAX_ORDER]
        cdef double backoffs[MAX_ORDER]
        cdef int depth = 0
        cdef int level
        cdef int64_t walk = context
        cdef int64_t start, end, position
        cdef double backoff = 0.0
        cdef float scale
        cdef int32_t token
        if self._uniform:
            self._distribution(context, 0, self._vocabulary_size, out)
            for token in range(self._vocabulary_size):
                out[token] = <float>exp(out[token])
            return
        while walk != 0:
            chain[depth] = walk
            backoffs[depth] = backoff
            backoff += self._backoff(walk)
            walk = self._shorter(walk)
            depth += 1
        scale = <float>exp(backoff)
        for token in range(self._vocabulary_size):
            out[token] = scale * self._unigrams[token]
        while depth > 0:
            depth -= 1
            level = <int>(chain[depth] >> LEVEL_SHIFT) + 1
            self._row(chain[depth], &start, &end)
            for position in range(start, end):
                out[self._tokens[level][position]] = <float>exp(self._log_probs[level][position] + backoffs[depth])
        out[0] += <float>exp(backoff + self._residual)

    cdef double _mass(self, int64_t context, int32_t low, int32_t high, vector[float]& scratch) noexcept nogil:
        """Probability that the next token is one of [low, high)."""
        cdef double total = 0.0
        cdef Py_ssize_t position
        if low >= high:
            return 0.0
        scratch.resize(high - low)
        self._distribution(context, low, high, scratch.data())
        for position in range(high - low):
            total += exp(scratch[position])
        return total

    cdef bint _seen(self, int64_t longest, int64_t context, int32_t token) noexcept nogil:
        """Whether a context longer than `context` lists the token."""
        cdef int64_t start, end, position
        cdef int level
        while longest != context:
            level = <int>(longest >> LEVEL_SHIFT) + 1
            self._row(longest, &start, &end)
            position = self._lower(level, start, end, token)
            if position < end and self._tokens[level][position] == token:
                return True
            longest = self._shorter(longest)
        return False

    cdef void _offer(self, vector[Proposal]& best, size_t k, Proposal proposal) noexcept nogil:
        if best.size() == k:
            if not _better(proposal, best.front()):
                return
            pop_heap(best.begin(), best.end(), &_better)
            best.pop_back()
        best.push_back(proposal)
        push_heap(best.begin(), best.end(), &_better)

    cdef inline void _fetch(self, int64_t context) noexcept nogil:
        """Has what is kept of a context on its way from memory before it is asked for: a tenth of a beam is waiting."""
        cdef int level = <int>(context >> LEVEL_SHIFT)
        cdef int64_t index = context & ((<int64_t>1 << LEVEL_SHIFT) - 1)
        if level > 0:
            fetch_soon(self._successors[level] + index)
            fetch_soon(self._backoffs[level] + index)
        if level > 1:
            fetch_soon(self._suffixes[level] + index)

    cdef inline float _floor(self, vector[Proposal]& best, size_t k, const Proposal& base, float backoff) noexcept nogil:
        """Log probabilities below this cannot enter the k best."""
        # A hair below, so that rounding never loses an equal one.
        return best.front().log_prob - base.log_prob - backoff - <float>1e-4 if best.size() == k else NEGATIVE_INFINITY

    cdef void _propose(self, int64_t context, int32_t low, int32_t high, Proposal base, size_t k,
                       vector[Proposal]& best, vector[Entry]& heap, const Words* words, int32_t state) noexcept nogil:
        """Offers the tokens of [low, high) after `context` to the k best, longest context first.

        A shorter context's row is left as soon as its best entry left cannot enter.

        Args:
            words, state: where the words so far have led; only what may follow is offered. NULL: everything is.
        """
        # The unigrams' row is the whole vocabulary, and hardly ever offers anything once there are k better ones. To
        # leave it closed then halves the time of a beam.
        cdef int64_t walk = context
        cdef float backoff = 0.0
        cdef float floor
        cdef int64_t start, end, position
        cdef int level
        cdef Entry entry
        cdef Proposal proposal = base
        cdef const Tree* tree
        cdef const float* log_probs
        while True:
            level = <int>(walk >> LEVEL_SHIFT) + 1
            if walk == 0 and best.size() == k:
                # A hair above, so that rounding never loses an equal one.
                if base.log_prob + backoff + self._unigram_maximum + 1e-4 < best.front().log_prob:
                    return
            self._row(walk, &start, &end)
            if low <= END:  # hardly anything is below: two searches less, which is a fifth of a beam's time
                while start < end and self._tokens[level][start] < low:
                    start += 1
            else:
                start = self._lower(level, start, end, low)
            if high < self._vocabulary_size:
                end = self._lower(level, start, end, high)
            if end - start <= SCAN:
                log_probs = self._log_probs[level]
                floor = self._floor(best, k, base, backoff)
                for position in range(start, end):
                    if log_probs[position] < floor:  # most of them
                        continue
                    proposal.step = log_probs[position] + backoff
                    proposal.log_prob = base.log_prob + proposal.step
                    if proposal.step == NEGATIVE_INFINITY:
                        continue
                    proposal.token = self._tokens[level][position]
                    proposal.found = (<int64_t>level << LEVEL_SHIFT) | position
                    if self._may_follow(words, state, proposal.token) and not self._seen(context, walk, proposal.token):
                        self._offer(best, k, proposal)
                        floor = self._floor(best, k, base, backoff)
            else:
                tree = &self._trees[level]
                cover(tree, start, end, heap)
                while True:
                    if not take(tree, self._floor(best, k, base, backoff), heap, &entry):
                        break
                    proposal.token = self._tokens[level][entry.index]
                    proposal.found = (<int64_t>level << LEVEL_SHIFT) | entry.index
                    proposal.step = entry.weight + backoff
                    proposal.log_prob = base.log_prob + proposal.step
                    if self._may_follow(words, state, proposal.token) and not self._seen(context, walk, proposal.token):
                        self._offer(best, k, proposal)
            if walk == 0:
                return
            if self._uniform:
                self._propose_unseen(context, low, high, base, k, best, words, state)
                return
            backoff += self._backoff(walk)
            walk = self._shorter(walk)

    cdef void _propose_unseen(self, int64_t context, int32_t low, int32_t high, Proposal base, size_t k,
                              vector[Proposal]& best, const Words* words, int32_t state) noexcept nogil:
        """Offers the tokens of [low, high) that the context has not seen, equally probable and so lowest id first."""
        cdef int level = <int>(context >> LEVEL_SHIFT) + 1
        cdef int64_t position, end
        cdef int32_t token
        cdef Proposal proposal = base
        proposal.found = -1
        self._row(context, &position, &end)
        position = self._lower(level, position, end, low)
        proposal.step = self._backoff(context)
        proposal.log_prob = base.log_prob + proposal.step
        for token in range(low, high):
            if position < end and self._tokens[level][position] == token:
                position += 1
                continue
            if token == BEGIN or not self._may_follow(words, state, token):
                continue
            proposal.token = token
            if best.size() == k and not _better(proposal, best.front()):
                return
            self._offer(best, k, proposal)

    cdef inline bint _may_follow(self, const Words* words, int32_t state, int32_t token) noexcept nogil:
        if words == NULL:
            return True
        return ends_query(words, state) if token == END else word_step(words, state, token) >= 0

    cdef void _propose_words(self, int64_t context, Proposal base, size_t k, vector[Proposal]& best,
                             vector[Entry]& heap, const Words* words, int32_t state) noexcept nogil:
        """Offers what may follow to the k best: `_propose` of all tokens, but what is little is looked up by itself."""
        cdef int32_t child, node, low = END, high = self._vocabulary_size
        if words != NULL and not words.any_unspaced:
            node = node_of(words, state)
            if words.children[node + 1] - words.children[node] <= FEW:
                for child in range(words.children[node], words.children[node + 1]):
                    self._offer_token(context, words.tokens[child], base, k, best)
                if ends_query(words, state):
                    self._offer_token(context, END, base, k, best)
                if not ends_word(words, node):
                    return
                low, high = words.starts_low, words.starts_high
        self._propose(context, low, high, base, k, best, heap, words, state)

    cdef inline void _offer_token(self, int64_t context, int32_t token, Proposal proposal, size_t k,
                                  vector[Proposal]& best) noexcept nogil:
        cdef float log_prob = proposal.log_prob
        proposal.token = token
        proposal.step = self._score(context, token, &proposal.found)
        proposal.log_prob = log_prob + proposal.step
        if proposal.step != NEGATIVE_INFINITY:
            self._offer(best, k, proposal)

    def successors(self, int64_t context, int32_t low, int32_t high, Py_ssize_t k):
        """The k most probable tokens of [low, high): [(token, natural-log probability)], best first."""
        cdef vector[Proposal] best
        cdef vector[Entry] heap
        cdef Proposal base
        base.log_prob = 0.0
        base.parent = 0
        base.offset = 0
        if k < 1:
            return []
        self._propose(context, low, high, base, k, best, heap, NULL, 0)
        sort(best.begin(), best.end(), &_better)
        return [(proposal.token, proposal.log_prob) for proposal in best]

    def beam(self, int64_t context, constraint, int width, int max_tokens, WordWalk words=None):
        """The most probable sentences that continue the context and spell the typed text.

        Args:
            context: after the tokens of all finished words.
            constraint: (range_lows int32 (L,), range_highs int32 (L,), part_starts int32 (L + 1,),
                part_tokens int32, part_offsets int32): after `o` typed bytes are spelt, tokens of
                [range_lows[o], range_highs[o]) spell all the rest, and part `p` of
                [part_starts[o], part_starts[o + 1]) spells on up to byte part_offsets[p].
            width: hypotheses kept a step, and sentences returned at most.
            max_tokens: longest sentence.
            words: those that the sentences may hold and end with; None: any.

        Returns:
            (sentences, typed_log_prob): a list of (tokens, steps), both with the end of sentence last, steps the
            natural-log probabilities of the tokens, best sentence first; and `typed_log_prob`.
        """
        cdef Typed typed = _typed(constraint)
        cdef vector[Hypothesis] nodes
        cdef vector[int32_t] active
        cdef vector[Proposal] best, finished
        cdef vector[Entry] heap
        cdef Proposal base
        cdef Hypothesis node
        cdef int32_t position, step
        cdef double typed_mass
        cdef const Words* known = &words.words if words is not None else NULL
        node.log_prob = 0.0
        node.step = 0.0
        node.token = -1
        node.parent = -1
        node.offset = 0
        node.state = 0
        if known != NULL and typed.size > SPACE_BYTES:
            node.state = known.typed
        node.context = context
        nodes.push_back(node)
        active.push_back(0)
        with nogil:
            typed_mass = self._typed_mass(context, &typed, width)
            for step in range(max_tokens):
                best.clear()
                for position in active:
                    node = nodes[position]
                    base.log_prob = node.log_prob
                    base.parent = position
                    base.offset = typed.size
                    if node.offset < typed.size:
                        self._propose(node.context, typed.lows[node.offset], typed.highs[node.offset], base, width, best,
                                      heap, known, node.state)
                        self._propose_parts(node.context, node.offset, &typed, base, width, best, known, node.state)
                    else:
                        self._propose_words(node.context, base, width, best, heap, known, node.state)
                sort(best.begin(), best.end(), &_better)
                active.clear()
                for base in best:
                    if base.token == END:
                        self._offer(finished, width, base)
                        continue
                    if finished.size() == <size_t>width and base.log_prob <= finished.front().log_prob:
                        continue
                    if base.found < 0:
                        self._score(nodes[base.parent].context, base.token, &base.found)
                    node.log_prob = base.log_prob
                    node.step = base.step
                    node.token = base.token
                    node.parent = base.parent
                    node.offset = base.offset
                    if known != NULL:
                        node.state = word_step(known, nodes[base.parent].state, base.token)
                    node.context = self._following(base.found)
                    self._fetch(node.context)
                    active.push_back(<int32_t>nodes.size())
                    nodes.push_back(node)
                if active.size() == 0:
                    break
        sort(finished.begin(), finished.end(), &_better)
        return [self._path(nodes, base) for base in finished], _log(typed_mass)

    cdef void _propose_parts(self, int64_t context, int32_t offset, const Typed* typed, Proposal base, size_t k,
                             vector[Proposal]& best, const Words* words, int32_t state) noexcept nogil:
        """Offers the tokens that spell only a part of what is left of the typed text."""
        cdef int32_t part
        for part in range(typed.part_starts[offset], typed.part_starts[offset + 1]):
            base.offset = typed.part_offsets[part]
            if self._may_follow(words, state, typed.part_tokens[part]):
                self._offer_token(context, typed.part_tokens[part], base, k, best)

    def typed_log_prob(self, int64_t context, constraint, int width):
        """Natural log of the probability that the context is continued by what was typed, whatever follows.

        Args:
            context, constraint: as for `beam`.
            width: tokenisations of the typed text's beginnings that are kept a step.
        """
        cdef Typed typed = _typed(constraint)
        return 0.0 if typed.size == 0 else _log(self._typed_mass(context, &typed, width))

    cdef double _typed_mass(self, int64_t context, const Typed* typed, size_t width) noexcept nogil:
        """The probability that the context is continued by what was typed, over the tokenisations kept."""
        cdef vector[Hypothesis] active, going
        cdef vector[Proposal] best
        cdef vector[float] scratch
        cdef Proposal base
        cdef Hypothesis node
        cdef int32_t position
        cdef double mass = 0.0
        node.log_prob = 0.0
        node.offset = 0
        node.context = context
        if typed.size > 0:
            active.push_back(node)
        while active.size() > 0:
            best.clear()
            for position in range(<int32_t>active.size()):
                node = active[position]
                mass += exp(<double>node.log_prob) * self._mass(  # else the exponential of a float, 0 from -104 on
                    node.context, typed.lows[node.offset], typed.highs[node.offset], scratch)
                base.log_prob = node.log_prob
                base.parent = position
                self._propose_parts(node.context, node.offset, typed, base, width, best, NULL, 0)
            going.clear()
            for base in best:
                node.log_prob = base.log_prob
                node.offset = base.offset
                node.context = base.found
                going.push_back(node)
            active.swap(going)
        return mass

    cdef _path(self, vector[Hypothesis]& nodes, Proposal end):
        cdef int32_t position = end.parent
        cdef Hypothesis node
        tokens = [end.token]
        steps = [end.step]
        while position > 0:
            node = nodes[position]
            tokens.append(node.token)
            steps.append(node.step)
            position = node.parent
        tokens.reverse()
        steps.reverse()
        return tokens, steps
