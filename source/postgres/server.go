package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectd/connect"
)

// oldestVersion is the first release of PostgreSQL that is read.
const oldestVersion = 130000

// server is what we have to know of the server.
type server struct {
	version       int           // such as 150018
	senderTimeout time.Duration // wal_sender_timeout; 0 for none
}

// server connects and checks what streaming needs.
func (s *Source) server(ctx context.Context, c *catalog) (server, error) {
	var walLevel string
	var srv server
	var timeout int64
	var standby bool
	err := c.row(ctx, `SELECT current_setting('wal_level'), current_setting('server_version_num')::int, pg_is_in_recovery(),
		(SELECT setting::bigint FROM pg_settings WHERE name = 'wal_sender_timeout')`, nil, &walLevel, &srv.version, &standby, &timeout)
	if err != nil {
		return srv, err
	}
	srv.senderTimeout = time.Duration(timeout) * time.Millisecond
	if walLevel != "logical" && s.config.streams() {
		return srv, connect.Permanent(fmt.Errorf(`wal_level is %q, want "logical"; run ALTER SYSTEM SET wal_level = logical and restart PostgreSQL`, walLevel))
	}
	if standby && srv.version < 160000 && s.config.streams() {
		return srv, connect.Permanent(fmt.Errorf("%s is a standby, and PostgreSQL %d decodes no WAL there (16 does); let database.hostname be the primary", s.config.address(), srv.version/10000))
	}
	s.failover = s.config.Failover && srv.version >= 170000 && !standby
	switch {
	case s.config.Failover && srv.version < 170000:
		s.log.Warn("slot.failover needs PostgreSQL 17; standbys will not have the slot", "version", srv.version/10000)
	case s.config.Failover && standby:
		s.log.Warn("slot.failover is for slots of the primary; the slot will be on this standby only")
	}
	s.protocol = []string{"proto_version '1'"}
	if srv.version >= 140000 && s.config.TxMemory > 0 {
		s.protocol = []string{"proto_version '2'", "streaming 'on'"}
	}
	if srv.version < oldestVersion {
		return srv, connect.Permanent(fmt.Errorf("PostgreSQL %d is too old, want 13 or newer", srv.version/10000))
	}
	return srv, nil
}

// tables are the captured tables; none is an error.
func (s *Source) tables(ctx context.Context, c *catalog) ([]relation, error) {
	tables, err := c.captured(ctx, s.capture)
	if err != nil {
		return nil, err
	}
	if missing := missingTables(s.config.TablesIn, tables); len(missing) > 0 && len(tables) > 0 {
		s.log.Warn("tables of table.include.list do not exist", "tables", missing)
	}
	s.missingSignalTable(tables)
	if len(tables) == 0 {
		return nil, connect.Permanent(s.noTables())
	}
	if most := s.config.MaxTables; most > 0 && len(tables) > most {
		err := fmt.Errorf("%d tables are captured, and guardrail.collections.max is %d; narrow table.include.list, or raise it", len(tables), most)
		if s.config.OverMax == "fail" {
			return nil, connect.Permanent(err)
		}
		s.log.Warn("many tables", "err", err)
	}
	return tables, nil
}

func (s *Source) noTables() error {
	if len(s.config.TablesIn) > 0 {
		return fmt.Errorf("database %q has no table that table.include.list matches (%s); write schema.table, or create the table first", s.config.Database, strings.Join(s.config.TablesIn, ", "))
	}
	return fmt.Errorf("database %q has no table to capture; check the include and exclude lists, or create a table first", s.config.Database)
}
