package api

import (
	"time"

	"connectd/config"
)

// Auth says as whom to ask.
type Auth struct {
	Type     string        `yaml:"http.auth.type" alias:"auth.type" values:"none,basic,bearer,api_key,oauth2_client_credentials,oauth2,oauth2_refresh_token,session" doc:"how requests are authenticated; oauth2 is oauth2_client_credentials"`
	User     string        `yaml:"http.auth.user" alias:"connection.user" doc:"user of basic"`
	Password config.Secret `yaml:"http.auth.password" alias:"connection.password" doc:"password of basic"`
	Bearer   config.Secret `yaml:"http.auth.bearer.token" alias:"bearer.token" doc:"token of bearer"`

	APIKey   config.Secret `yaml:"http.auth.api.key" alias:"api.key.value" doc:"key of api_key"`
	APIName  string        `yaml:"http.auth.api.key.name" alias:"api.key.name" doc:"name of the header or parameter that carries it"`
	APIPlace string        `yaml:"http.auth.api.key.location" alias:"api.key.location" values:"header,query" doc:"where it is carried"`

	TokenURL    string            `yaml:"http.auth.oauth2.token.url" alias:"oauth2.token.url" doc:"where client credentials or a refresh token are exchanged for a token"`
	ID          string            `yaml:"http.auth.oauth2.client.id" alias:"oauth2.client.id" doc:"client that asks"`
	Secret      config.Secret     `yaml:"http.auth.oauth2.client.secret" alias:"oauth2.client.secret" doc:"its secret"`
	Scopes      string            `yaml:"http.auth.oauth2.scope" alias:"oauth2.client.scope" doc:"scopes to ask for, with spaces between them"`
	Mode        string            `yaml:"http.auth.oauth2.client.auth.mode" alias:"oauth2.client.auth.mode,oauth2.client.mode" values:"header,body,url" doc:"where the token request carries client and secret: basic authentication, or the form in its body (url means that too)"`
	Refresh     config.Secret     `yaml:"http.auth.oauth2.refresh.token" doc:"refresh token of oauth2_refresh_token, from signing in once; all endpoints are read by one task then"`
	RefreshFile string            `yaml:"http.auth.oauth2.refresh.token.file" doc:"file on a durable disk that keeps the newest refresh token, for servers that replace it with each use; it counts before the configured one, and is written before a new token is used. Without it a replaced token lives in memory only, and is never put into the offsets topic"`
	Further     map[string]string `yaml:"http.auth.oauth2.params.*" doc:"further parameters of the token request, such as audience"`

	LoginURL     string        `yaml:"http.auth.session.url" doc:"where session logs in; a cookie that it sets is kept"`
	LoginMethod  string        `yaml:"http.auth.session.method" values:"POST,GET,PUT" doc:"method of the login"`
	LoginBody    config.Secret `yaml:"http.auth.session.body" doc:"body of the login: JSON when it begins with {, else a form"`
	LoginPointer string        `yaml:"http.auth.session.token.pointer" doc:"JSON Pointer to the token in the answer; without it the session is the cookie"`
	LoginHeader  string        `yaml:"http.auth.session.header" doc:"header that carries the token"`
	LoginPrefix  string        `yaml:"http.auth.session.prefix" doc:"what stands before the token in the header"`
}

// Defaults are the usual names.
func (a *Auth) Defaults() {
	*a = Auth{
		Type: "none", APIName: "X-API-KEY", APIPlace: "header", Mode: "header",
		LoginMethod: "POST", LoginHeader: "Authorization", LoginPrefix: "Bearer ",
	}
}

// Client says how requests are sent.
type Client struct {
	ConnectTimeout time.Duration `yaml:"http.client.connection.timeout.millis" alias:"http.connect.timeout.ms" doc:"longest time to connect, TLS included"`
	ReadTimeout    time.Duration `yaml:"http.client.read.timeout.millis" alias:"http.request.timeout.ms" doc:"longest time without a byte of the answer"`
	Rate           float64       `yaml:"http.rate.limit" doc:"most requests in a second, of all endpoints together; tasks share it evenly; 0 for no limit"`
	Burst          int           `yaml:"http.rate.burst" doc:"requests that may follow each other at once below that limit"`

	Attempts   int           `yaml:"http.retry.attempts" alias:"max.retries" doc:"how often a request is sent again before the task restarts; a wait that the server asks for does not count"`
	Backoff    time.Duration `yaml:"http.retry.backoff.ms" alias:"retry.backoff.ms" doc:"pause before the first retry; it doubles"`
	BackoffMax time.Duration `yaml:"http.retry.backoff.max.ms" doc:"longest pause before a retry"`
	AfterMax   time.Duration `yaml:"http.retry.after.max.ms" doc:"longest wait that a server's Retry-After or rate limit is obeyed for; after it the request is sent again"`

	CA       string `yaml:"http.tls.ca" doc:"file with the certificates that may sign the server's (PEM), instead of the system's"`
	Cert     string `yaml:"http.tls.cert" doc:"file with the client's certificate (PEM)"`
	CertKey  string `yaml:"http.tls.key" doc:"file with the client's private key (PEM)"`
	ProxyURL string `yaml:"http.proxy.url" doc:"proxy of all requests, instead of HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment"`
}

// Defaults are 5 s and 30 s, and five retries over about half a minute.
func (c *Client) Defaults() {
	*c = Client{
		ConnectTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, Burst: 1,
		Attempts: 5, Backoff: time.Second, BackoffMax: time.Minute, AfterMax: time.Hour,
	}
}

// Unsupported are properties that would change what is read or written; a connector that sets
// them is refused rather than run without them.
type Unsupported struct {
	Parser     string            `yaml:"http.response.parser" doc:"castorm's Java class; not supported: the pointers and http.response.jq say how answers are read"`
	Mapper     string            `yaml:"http.record.mapper" doc:"castorm's Java class; not supported: http.response.record.value and the converters say how records are written"`
	Filter     string            `yaml:"http.record.filter.factory" doc:"castorm's Java class; not supported: http.cursor.pointer and http.response.record.key.pointer say what is new"`
	Sorter     string            `yaml:"http.record.sorter" doc:"castorm's Java class; not supported: write http.response.list.order.direction"`
	Zone       string            `yaml:"http.response.record.timestamp.parser.zone" doc:"zone of timestamps without one; only UTC is supported yet"`
	TimeParser string            `yaml:"http.response.record.timestamp.parser" doc:"castorm's Java class; not supported: write http.cursor.format"`
	Pattern    string            `yaml:"http.response.record.timestamp.parser.pattern" doc:"a Java pattern; not supported: write http.cursor.format"`
	KeyStore   map[string]string `yaml:"https.ssl.*" doc:"Java key stores; not supported: write http.tls.ca, http.tls.cert and http.tls.key with PEM files"`
	ProxyHost  string            `yaml:"http.client.proxy.host" doc:"not supported: write http.proxy.url"`
	Reporter   map[string]string `yaml:"reporter.*" doc:"topics for answers and errors; not supported yet"`
}

// Ignored are properties that steer another implementation.
type Ignored struct {
	HTTPClient  string `yaml:"http.client" noeffect:"it names a Java class"`
	AuthClass   string `yaml:"http.auth" noeffect:"it names a Java class; http.auth.type counts"`
	RequestMake string `yaml:"http.request.factory" noeffect:"it names a Java class"`
	TimerClass  string `yaml:"http.timer" noeffect:"it names a Java class"`
	Policy      string `yaml:"http.response.policy" noeffect:"it names a Java class; the codes count"`
	Pool        string `yaml:"http.client.max-idle" noeffect:"idle connections are kept as Go's client keeps them"`
	KeepAlive   string `yaml:"http.client.keep-alive.duration.millis" noeffect:"connections are kept as Go's client keeps them"`
	License     string `yaml:"confluent.*" noeffect:"there is no license to check"`
	OutFormat   string `yaml:"output.data.format" noeffect:"the converters say how records are written"`
}
