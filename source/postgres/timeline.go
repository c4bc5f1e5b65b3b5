package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

// timeline says whose WAL a position is in. An LSN means the same on two servers only when they have
// the same system identifier, which initdb gives, and up to where their timelines part: each promotion
// begins a new one.
type timeline struct {
	system string // "" when it is not known: in an offset of Debezium's
	id     int32  // 0 when it is not known: of a standby, whose timeline may change under a connection
}

// timelineKey is our key in a stored offset, such as "7412345678901234567/3".
const timelineKey = "connectd_timeline"

func parseTimeline(text string) timeline {
	system, id, _ := strings.Cut(text, "/")
	n, _ := strconv.ParseInt(id, 10, 32) // there is none of a standby
	return timeline{system, int32(n)}
}

func (l timeline) append(dst []byte) []byte {
	dst = append(dst, l.system...)
	if l.id != 0 {
		dst = strconv.AppendInt(append(dst, '/'), int64(l.id), 10)
	}
	return dst
}

// left says whether the position was stored by a reader of another timeline than now.
func (p *position) left(now timeline) bool { return p.timeline.system != "" && p.timeline != now }

// reached is up to where something was read before the position was stored.
func (p *position) reached() LSN { return max(p.commit, p.lsn, p.txEnd) }

// identify asks the server that conn leads to who it is. IDENTIFY_SYSTEM is there for every role that
// may replicate, unlike the functions that say the same.
func identify(ctx context.Context, conn *pgconn.PgConn) (pglogrepl.IdentifySystemResult, timeline, error) {
	there, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return there, timeline{}, fmt.Errorf("identify the server: %w", shortened(err))
	}
	l := timeline{there.SystemID, there.Timeline}
	if conn.ParameterStatus("in_hot_standby") == "on" {
		l.id = 0
	}
	return there, l, nil
}

// identify notes which timeline the source reads. foreign says why what was read up to the stored
// position is not in it, or may not be; nil when it is, and when the offset does not say whose it is.
func (s *Source) identify(ctx context.Context, stored *position) (foreign, err error) {
	conn, _, err := s.connectReplication(ctx)
	if err != nil {
		return nil, err
	}
	defer closeSoon(conn)
	there, now, err := identify(ctx, conn)
	if err != nil {
		return nil, err
	}
	s.timeline = now
	if stored == nil || stored.timeline.system == "" {
		return nil, nil
	}
	was := stored.timeline
	switch {
	case was.system != there.SystemID:
		return fmt.Errorf("the server is another one: its system identifier is %s, and that of the stored offset %s", there.SystemID, was.system), nil
	case was.id == 0 || was.id == there.Timeline:
		return nil, nil
	}
	parted, err := partedFrom(ctx, conn, was.id, there.Timeline)
	switch {
	case err != nil && refuses(err):
		return fmt.Errorf("the server is on timeline %d, the stored offset is of timeline %d, and nothing says whether the server has all that was read: %w", there.Timeline, was.id, err), nil
	case err != nil:
		return nil, err
	case parted == 0:
		return fmt.Errorf("the server is on timeline %d, which does not come from timeline %d of the stored offset", there.Timeline, was.id), nil
	case parted < stored.reached():
		return fmt.Errorf("the server is on timeline %d, which left timeline %d of the stored offset at %s, and what was read goes up to %s: it was restored, or a standby was promoted that did not have all of it", there.Timeline, was.id, parted, stored.reached()), nil
	}
	s.log.Info("the server is on another timeline, which has all that was read", "timeline", there.Timeline, "was", was.id, "parted", parted.String())
	return nil, nil
}

// partedFrom is where timeline now of the server that conn leads to has left timeline was; 0 when it
// does not come from it.
func partedFrom(ctx context.Context, conn *pgconn.PgConn, was, now int32) (LSN, error) {
	if now < was {
		return 0, nil
	}
	file, err := pglogrepl.TimelineHistory(ctx, conn, now)
	if err != nil {
		return 0, fmt.Errorf("read the history of timeline %d: %w", now, shortened(err))
	}
	return parting(string(file.Content), was)
}

// parting finds in a timeline's history, whose lines are "timeline, where it was left, why", where
// timeline was is left; 0 when it is not there.
func parting(history string, was int32) (LSN, error) {
	for line := range strings.Lines(history) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != strconv.Itoa(int(was)) {
			continue
		}
		at, err := pglogrepl.ParseLSN(fields[1])
		if err != nil {
			return 0, fmt.Errorf("read the history of a timeline: %q: %w", strings.TrimSpace(line), err)
		}
		return at, nil
	}
	return 0, nil
}

// sameServer makes sure that the connection leads to a server that has the WAL which was read so far.
// From one that has less or other WAL, after a fail-over for example, PostgreSQL would send nothing of
// what it writes up to there. What to do then is decided by the next start, see reconcile.
func (st *stream) sameServer(ctx context.Context) error {
	there, now, err := identify(ctx, st.conn)
	if err != nil {
		return err
	}
	was := st.source.timeline
	switch {
	case was.system != there.SystemID || was.id != 0 && was.id != there.Timeline:
		return fmt.Errorf("%w: the server is another one: timeline %d of system %s, and it was timeline %d of system %s", errSlot, there.Timeline, there.SystemID, was.id, was.system)
	case there.XLogPos < st.pos.commit:
		return fmt.Errorf("%w: the server's WAL ends at %s, before %s, which was read already: it is another server, or was restored", errSlot, there.XLogPos, st.pos.commit)
	}
	st.source.timeline = now // a standby may have been promoted
	return nil
}
