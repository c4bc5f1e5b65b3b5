package postgres

import (
	"fmt"
)

// reconcile is where the stream begins: at the stored position, unless the slot says otherwise.
// gap is what was changed and can not be read any more; nil when there is nothing. PostgreSQL
// itself would say nothing: it goes on from the slot when the position is behind it, and leaves
// out what comes before a position that is ahead of its WAL, or in the WAL of another server.
func (s *Source) reconcile(stored *position, k slot) (start position, gap error) {
	c := s.config
	switch {
	case k.lost:
		return start, s.lost(k)
	case stored == nil || stored.unfinished():
		return start, nil
	case k.missing:
		return start, fmt.Errorf("slot %q does not exist any more, and what changed after %s, the stored offset, cannot be read", c.Slot, stored.commit)
	}
	there := position{commit: k.confirmed, lsn: k.confirmed}
	switch {
	case stored.loose && k.confirmed <= stored.commit:
		return there, nil
	case k.foreign != nil && c.Mismatch != "trust_slot" && (k.confirmed <= stored.commit || c.Mismatch == "trust_offset"):
		return start, fmt.Errorf("%w; what it has changed up to the offset would be left out (offset.mismatch.strategy trust_slot goes on from slot %q, at %s)", k.foreign, c.Slot, k.confirmed)
	case k.foreign != nil:
		s.log.Warn("going on from the slot", "slot", c.Slot, "lsn", k.confirmed.String(), "offset", stored.commit.String(), "err", k.foreign)
		return there, nil
	case k.confirmed > stored.commit && c.Mismatch == "trust_offset":
		return start, fmt.Errorf("slot %q is at %s and the stored offset at %s: what changed between them cannot be read (the slot was made anew or moved by somebody else; offset.mismatch.strategy trust_slot goes on without it)", c.Slot, k.confirmed, stored.commit)
	case k.confirmed > stored.commit:
		s.log.Warn("going on from the slot, which is ahead of the stored offset: what changed between them is not read", "slot", c.Slot, "lsn", k.confirmed.String(), "offset", stored.commit.String())
		return there, nil
	case stored.commit > k.walEnd && c.Mismatch != "trust_slot":
		return start, fmt.Errorf("the stored offset %s is ahead of the server, whose WAL ends at %s: the server was restored or is another one, and what it changes up to the offset would be left out (offset.mismatch.strategy trust_slot goes on from slot %q, at %s)", stored.commit, k.walEnd, c.Slot, k.confirmed)
	case stored.commit > k.walEnd:
		s.log.Warn("going on from the slot: the stored offset is ahead of the server's WAL", "slot", c.Slot, "lsn", k.confirmed.String(), "offset", stored.commit.String(), "end", k.walEnd.String())
		return there, nil
	}
	return *stored, nil
}

// lost says that the slot has lost its WAL, and by what, so that it does not happen again.
func (s *Source) lost(k slot) error {
	why := "see max_slot_wal_keep_size"
	switch k.why {
	case "idle_timeout":
		why = "nobody read it for longer than idle_replication_slot_timeout"
	case "rows_removed":
		why = "the primary has removed rows that it needs; turn hot_standby_feedback on"
	case "wal_level_insufficient":
		why = "wal_level was below logical for a time"
	}
	return fmt.Errorf("slot %q has lost the WAL that it needs (wal_status is lost: %s)", s.config.Slot, why)
}
