package api

import (
	"time"

	"connectd/config"
)

// Config is what may be configured: the properties of the HTTP sources of castorm and Confluent,
// and what they do not have.
type Config struct {
	Endpoint
	Auth
	Client
	Names     []string          `yaml:"http.endpoint.names" alias:"entity.names" doc:"several endpoints of one API, by name: ${endpoint}, or Confluent's ${entityName}, stands for the name; with tasks.max above 1 tasks share them"`
	Endpoints map[string]string `yaml:"http.endpoints.*" doc:"endpoints that differ in more than their name: http.endpoints.<name>.<key> gives the endpoint <name> a setting of its own; everything else they share"`
	Unsupported
	Ignored

	each []namedEndpoint // what Validate made of Endpoint and Endpoints
}

// Endpoint is one list of records: what is asked for and what becomes of the answers. With
// http.endpoints each endpoint may have these settings of its own.
type Endpoint struct {
	Topic string `yaml:"kafka.topic" alias:"topic.name.pattern" doc:"topic of the records; ${endpoint} is the name of the endpoint"`
	Request
	Response
	Pagination
	Cursor
	Timer
}

// Request is a request as templates. They may use ${cursor}, ${page}, ${offset}, ${token},
// ${size}, ${now}, ${now.seconds}, ${now.millis} and ${endpoint}.
type Request struct {
	URL     string            `yaml:"http.request.url" alias:"url" doc:"URL to ask; templates in it are ${cursor}, ${page}, ${offset}, ${token}, ${size}, ${now}, ${now.seconds}, ${now.millis} and ${endpoint}"`
	Method  string            `yaml:"http.request.method" values:"GET,POST,PUT" doc:"HTTP method"`
	Headers map[string]string `yaml:"http.request.headers" doc:"headers, with templates: name=value,name=value, or a mapping"`
	Params  string            `yaml:"http.request.params" alias:"http.request.parameters" doc:"parameters of the query, with templates: name=value&name=value; a parameter whose template has no value yet, such as ${token} on the first page, is left out"`
	Param   map[string]string `yaml:"http.request.params.*" doc:"the same as a mapping"`
	Body    string            `yaml:"http.request.body" doc:"body of the request, with templates; a JSON string that is nothing but a template without a value becomes null"`
}

// Response says where the records are in an answer, and what they are made into.
type Response struct {
	Format     string            `yaml:"http.response.format" values:"json,jsonl,csv,xml" doc:"form of the answer: one JSON text, JSON lines, CSV with a header line, or XML, which pointers and jq see as JSON: /root/item leads to the elements item, which may be one or many; @name is an attribute, #text the text beside attributes, and every value is a string; gzip is recognized"`
	Delimiter  string            `yaml:"http.response.csv.delimiter" doc:"what separates the columns of CSV"`
	List       string            `yaml:"http.response.list.pointer" alias:"http.response.data.json.pointer" doc:"JSON Pointer to the list of records, or to a single record; / is the whole answer"`
	JQ         string            `yaml:"http.response.jq" doc:"jq program that gives the records of an answer, instead of http.response.list.pointer; with pages, one that gives none ends the pass, so filter by a transform rather than here"`
	Record     string            `yaml:"http.response.record.pointer" doc:"JSON Pointer from an element of the list to the value that is sent"`
	Offset     map[string]string `yaml:"http.response.record.offset.pointer" doc:"pointers in castorm's form: key=/id,timestamp=/updated; the timestamp is the cursor too"`
	Key        []string          `yaml:"http.response.record.key.pointer" doc:"JSON Pointers to the parts of an element's key; without it records have no key"`
	KeyForm    string            `yaml:"http.response.record.key.form" values:"struct,value" doc:"key as a struct whose fields are the last names of the pointers, or as the bare value of its one pointer"`
	Time       string            `yaml:"http.response.record.timestamp.pointer" doc:"JSON Pointer to the record's timestamp, if it is not the cursor"`
	TimeFormat string            `yaml:"http.response.record.timestamp.format" doc:"its form, as in http.cursor.format"`
	Value      string            `yaml:"http.response.record.value" values:"auto,json,fields" doc:"json passes the text of a record on as it is; fields takes it apart, for transforms and for converters other than JSON; auto does so when there are transforms"`
	Direction  string            `yaml:"http.response.list.order.direction" values:"IMPLICIT,ASC,DESC" doc:"order of the records by cursor over all pages: ASC lets the cursor move with each page, DESC ends a pass at the first record that is too old"`
	Compare    string            `yaml:"http.refresh.mode" values:"all,changes,deletes" doc:"without a cursor: send all records of every pass; only what is new or changed since the pass before; or that, and a tombstone for each key that is gone"`
	MaxKeys    int               `yaml:"http.refresh.max.keys" doc:"most keys that changes and deletes keep in the state"`
	Process    codes             `yaml:"http.response.policy.codes.process" doc:"status codes whose answers hold records"`
	Skip       codes             `yaml:"http.response.policy.codes.skip" doc:"status codes that mean: nothing new"`
	Retry      codes             `yaml:"http.response.policy.codes.retry" alias:"retry.on.status.codes" doc:"status codes after which the request is sent again; all others stop the task as FAILED, but for 401 after a new login and for 403 and 429 with a limit that ends"`
	MaxBytes   config.Size       `yaml:"http.response.max.bytes" doc:"largest answer that is read, after decompression"`
}

// Pagination says how the pages of a pass follow each other.
type Pagination struct {
	Paging       string   `yaml:"http.pagination.type" values:"none,offset,page,cursor,next_url,link_header" doc:"none; offset counts records and page counts pages (${offset}, ${page}); cursor is a token of the answer (${token}); next_url is the URL of the next page in the answer; link_header is that in the header Link, rel=next"`
	Size         int      `yaml:"http.pagination.page.size" doc:"records of a full page, ${size}; 0 when unknown"`
	First        int      `yaml:"http.pagination.first" doc:"number of the first page, or of the first record"`
	TokenPointer string   `yaml:"http.pagination.token.pointer" alias:"http.next.page.json.pointer" doc:"JSON Pointer from the answer to the token or the URL of the next page; null, false, an empty text or nothing ends the pass"`
	TokenHeader  string   `yaml:"http.pagination.token.header" doc:"header of the answer that holds it instead"`
	Stop         string   `yaml:"http.pagination.stop" values:"short,empty" doc:"which page ends a pass of pages or offsets: one with fewer records than the page size, or only one without any, for APIs that may answer less than they are asked for"`
	Hosts        []string `yaml:"http.pagination.hosts" doc:"other hosts that the URL of a next page, or a redirect, may lead to; they get the credentials too"`
}

// Cursor says how far an endpoint has been read.
type Cursor struct {
	CursorPointer string `yaml:"http.cursor.pointer" alias:"http.offset.json.pointer" doc:"JSON Pointer from an element to its cursor: a timestamp or a number that does not fall"`
	CursorFormat  string `yaml:"http.cursor.format" doc:"form of the cursor: auto, iso, epoch_seconds, epoch_millis, epoch_micros, number, text, or a Go layout such as 02.01.2006 15:04"`
	AskFormat     string `yaml:"http.cursor.request.format" doc:"form of ${cursor} and ${now} in requests, if it is another one"`
	Initial       string `yaml:"http.cursor.initial" alias:"http.offset.initial,http.initial.offset" doc:"cursor of the first pass; without it the first pass asks for everything"`
	Lookback      string `yaml:"http.cursor.lookback" doc:"how far behind the cursor a pass begins, for records that appear late: a duration, or a number for numbers"`
	SeenMax       int    `yaml:"http.seen.max" doc:"most records between the lookback and the cursor that are remembered so that they are not sent twice"`
	Mode          string `yaml:"http.offset.mode" values:"CHAINING,CURSOR_PAGINATION,SIMPLE_INCREMENTING" doc:"Confluent's way to say what ${offset} is: the cursor (CHAINING) or the token of the next page (CURSOR_PAGINATION)"`
}

// Timer says when passes begin.
type Timer struct {
	Interval time.Duration `yaml:"http.timer.interval.millis" alias:"request.interval.ms" doc:"time from the begin of a pass to the next one"`
	CatchUp  time.Duration `yaml:"http.timer.catchup.interval.millis" doc:"the same after a pass that found something new"`
	Cron     string        `yaml:"http.timer.cron" doc:"when passes begin, instead of an interval: five fields, or @hourly and the like; CRON_TZ=Europe/Berlin in front sets the zone"`
}

// Defaults are castorm's where it has any; its timeouts of 2 s are too short for real APIs.
func (c *Config) Defaults() {
	c.Endpoint.Defaults()
	c.Auth.Defaults()
	c.Client.Defaults()
}

// Defaults are those of one endpoint.
func (e *Endpoint) Defaults() {
	*e = Endpoint{
		Request: Request{Method: "GET"},
		Response: Response{
			Format: "json", Delimiter: ",", List: "/", Record: "/", KeyForm: "struct", TimeFormat: "auto", Value: "auto",
			Direction: "IMPLICIT", Compare: "all", MaxKeys: 100_000,
			Process: codes{{200, 299}}, Skip: codes{{300, 399}}, Retry: codes{{408, 408}, {425, 425}, {429, 429}, {500, 599}},
			MaxBytes: 64 << 20,
		},
		Pagination: Pagination{Paging: "none", Stop: "short"},
		Cursor:     Cursor{CursorFormat: "auto", SeenMax: 10_000},
		Timer:      Timer{Interval: time.Minute, CatchUp: 30 * time.Second},
	}
}
