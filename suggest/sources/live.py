"""What became known since the bundle was made as a source: queries that begin as typed, or hold the typed words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.text.hangul import typed_prefixes
from suggest.sources.log import POPULAR
from suggest.sources.source import Proposal, Reading, Request
from suggest.sources.words import FOUND, how_found


class LiveSource:
    """Proposes live queries, and adds to what log and words have noted. To be asked after these."""

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`."""
        proposals, wanted = list[Proposal](), request.options.tags
        for queries in request.live.queries:
            popular, total = queries.completions(reading.query, POPULAR, wanted)
            reading.total += total
            proposals += [
                Proposal(text, reading)
                for text, _ in popular
                if text != reading.excluded or ((query := queries.get(text)) is not None and query.entry)
            ]
            prefixes = typed_prefixes(reading.query)
            found = [
                match
                for match in queries.word_matches(reading.query, FOUND, wanted)
                if match.text != reading.query.rstrip() and not any(prefix.begins(match.text) for prefix in prefixes)
            ]
            submissions = math.log(reading.total + sum(match.count for match in found)) if found else 0.0
            for each in found:
                match = how_found(reading.query, each)
                if match.explains:
                    reading.matched += each.count
                log_share = math.log(each.count) - submissions
                proposals.append(Proposal(each.text, reading, (), 0.0, log_share, match))
        return proposals
