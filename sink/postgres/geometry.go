package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"

	"connectd/record"
)

// geometry is v as PostGIS reads it, valid until the next call: Debezium's {wkb, srid}, and octets,
// become extended well-known binary in hex; a text (WKT, hex, GeoJSON) is passed on.
// See https://postgis.net/docs/using_postgis_dbmanagement.html, section "WKB and WKT".
func (e *encoder) geometry(s *record.Schema, v *record.Value) ([]byte, error) {
	switch {
	case v.Kind == record.Bytes:
		return e.ewkb(v.B, record.Value{})
	case v.Kind == record.Struct && s != nil:
		wkb, srid := s.Index("wkb"), s.Index("srid")
		if wkb < 0 || v.Items[wkb].Kind != record.Bytes {
			return nil, errors.New("is a struct without the field wkb, the geometry's well-known binary")
		}
		if srid < 0 {
			return e.ewkb(v.Items[wkb].B, record.Value{})
		}
		return e.ewkb(v.Items[wkb].B, v.Items[srid])
	case v.Kind == record.JSON:
		var parts struct {
			WKB  []byte `json:"wkb"`
			SRID *int32 `json:"srid"`
		}
		if err := json.Unmarshal(v.B, &parts); err != nil || parts.WKB == nil {
			return v.B, nil // GeoJSON, or what the server says is none
		}
		if parts.SRID == nil {
			return e.ewkb(parts.WKB, record.Value{})
		}
		return e.ewkb(parts.WKB, record.OfInt(int64(*parts.SRID)))
	case v.Kind == record.String:
		return v.B, nil
	}
	return nil, errors.New("is not a geometry: neither an object with wkb and srid, nor octets, nor a text")
}

// hasSRID is the flag in the type of a well-known binary that says that an SRID follows it.
const hasSRID = 0x20000000

// ewkb is wkb in hex, with srid in it unless that is null.
func (e *encoder) ewkb(wkb []byte, srid record.Value) ([]byte, error) {
	if len(wkb) < 5 || wkb[0] > 1 {
		return nil, errors.New("has a geometry that is not well-known binary")
	}
	var order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	} = binary.BigEndian
	if wkb[0] == 1 {
		order = binary.LittleEndian
	}
	kind, rest := order.Uint32(wkb[1:]), wkb[5:]
	if srid.Kind != record.Int {
		e.text = hex.AppendEncode(e.text[:0], wkb)
		return e.text, nil
	}
	if kind&hasSRID != 0 {
		if len(rest) < 4 {
			return nil, errors.New("has a geometry that is not well-known binary")
		}
		rest = rest[4:]
	}
	const head = 1 + 4 + 4 // byte order, type and SRID, whose octets are in front of the text here
	e.text = order.AppendUint32(append(e.text[:0], wkb[0]), kind|hasSRID)
	e.text = order.AppendUint32(e.text, uint32(srid.N))
	e.text = hex.AppendEncode(e.text, e.text[:head])
	e.text = hex.AppendEncode(e.text, rest)
	return e.text[head:], nil
}

// point is v as PostgreSQL reads its own type point: Debezium's {x, y, …}, or a text.
func (e *encoder) point(s *record.Schema, v *record.Value) ([]byte, error) {
	var parts struct{ X, Y *float64 }
	switch {
	case v.Kind == record.Struct && s != nil:
		for name, into := range map[string]**float64{"x": &parts.X, "y": &parts.Y} {
			if i := s.Index(name); i >= 0 && v.Items[i].Kind == record.Float {
				f := v.Items[i].Float()
				*into = &f
			}
		}
	case v.Kind == record.JSON:
		_ = json.Unmarshal(v.B, &parts) // without x and y it is refused below
	case v.Kind == record.String:
		return v.B, nil
	}
	if parts.X == nil || parts.Y == nil {
		return nil, errors.New("is not a point: neither an object with the numbers x and y, nor a text such as (1,2)")
	}
	e.text = appendFloat(append(e.text[:0], '('), *parts.X, 64)
	e.text = append(appendFloat(append(e.text, ','), *parts.Y, 64), ')')
	return e.text, nil
}
