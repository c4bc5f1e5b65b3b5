package registry

import (
	"net/url"
	"strings"
	"time"

	"connectd/config"
	"connectd/internal/pemstore"
)

// Config is how a registry is reached, by the names of Confluent's client.
type Config struct {
	URLs []string `yaml:"schema.registry.url" required:"true" doc:"addresses of the registry, such as http://registry:8081; the next one is asked when one does not answer"`

	BasicSource string        `yaml:"basic.auth.credentials.source" values:"URL,USER_INFO" doc:"where user and password are: in schema.registry.url, or in basic.auth.user.info"`
	UserInfo    config.Secret `yaml:"basic.auth.user.info" alias:"schema.registry.basic.auth.user.info" doc:"user:password, with basic.auth.credentials.source: USER_INFO"`

	BearerSource  string            `yaml:"bearer.auth.credentials.source" values:"STATIC_TOKEN,OAUTHBEARER" doc:"where the bearer token comes from: bearer.auth.token, or an OAuth2 server"`
	Token         config.Secret     `yaml:"bearer.auth.token" doc:"bearer token"`
	IssuerURL     string            `yaml:"bearer.auth.issuer.endpoint.url" doc:"address that gives OAuth2 tokens for client credentials"`
	ClientID      string            `yaml:"bearer.auth.client.id" doc:"OAuth2 client"`
	ClientSecret  config.Secret     `yaml:"bearer.auth.client.secret" doc:"secret of the OAuth2 client"`
	Scope         string            `yaml:"bearer.auth.scope" doc:"OAuth2 scopes, separated by spaces"`
	Cluster       string            `yaml:"bearer.auth.logical.cluster" doc:"logical cluster that Confluent Cloud wants to know with OAuth2 tokens"`
	IdentityPool  string            `yaml:"bearer.auth.identity.pool.id" doc:"identity pool that Confluent Cloud wants to know with OAuth2 tokens"`
	Headers       map[string]string `yaml:"request.header.*" doc:"further headers of every request"`
	ProxyHost     string            `yaml:"proxy.host" doc:"HTTP proxy; without it that of the environment"`
	ProxyPort     int               `yaml:"proxy.port" doc:"port of the proxy"`
	ConnectTime   time.Duration     `yaml:"http.connect.timeout.ms" doc:"longest time for a connection"`
	ReadTime      time.Duration     `yaml:"http.read.timeout.ms" doc:"longest time for an answer"`
	Retries       int               `yaml:"max.retries" doc:"how often a request is repeated at once when the registry can not answer; after that the runtime tries again, as long as it does with the target"`
	RetryDelay    time.Duration     `yaml:"retries.wait.ms" doc:"pause before the first repetition; it doubles"`
	RetryDelayMax time.Duration     `yaml:"retries.max.wait.ms" doc:"longest pause between two repetitions"`

	TruststoreType     string        `yaml:"schema.registry.ssl.truststore.type" doc:"PEM; other stores must be converted"`
	TruststoreLocation string        `yaml:"schema.registry.ssl.truststore.location" doc:"PEM file with the certificate authorities to trust; without it, those of the system"`
	TruststoreCerts    string        `yaml:"schema.registry.ssl.truststore.certificates" doc:"PEM text of the certificate authorities to trust"`
	KeystoreType       string        `yaml:"schema.registry.ssl.keystore.type" doc:"PEM; other stores must be converted"`
	KeystoreLocation   string        `yaml:"schema.registry.ssl.keystore.location" doc:"PEM file with this client's key and certificate chain"`
	KeystoreChain      string        `yaml:"schema.registry.ssl.keystore.certificate.chain" doc:"PEM text of this client's certificate chain"`
	KeystoreKey        config.Secret `yaml:"schema.registry.ssl.keystore.key" doc:"PEM text of this client's private key"`
	CheckHost          string        `yaml:"schema.registry.ssl.endpoint.identification.algorithm" doc:"https checks that the registry's certificate names its host; empty does not"`

	TruststorePassword config.Secret `yaml:"schema.registry.ssl.truststore.password" noeffect:"PEM files have no password"`
	KeystorePassword   config.Secret `yaml:"schema.registry.ssl.keystore.password" noeffect:"PEM files have no password"`
	KeyPassword        config.Secret `yaml:"schema.registry.ssl.key.password" noeffect:"only keys that are not encrypted are read"`
	Protocol           string        `yaml:"schema.registry.ssl.protocol" noeffect:"TLS 1.2 and later are spoken"`
	Randomize          string        `yaml:"schema.registry.url.randomize" noeffect:"addresses are asked in their order"`
	MissingIDs         string        `yaml:"missing.id.cache.ttl.sec" noeffect:"what is missing is not remembered"`
	MissingVersions    string        `yaml:"missing.version.cache.ttl.sec" noeffect:"what is missing is not remembered"`
	MissingSchemas     string        `yaml:"missing.schema.cache.ttl.sec" noeffect:"what is missing is not remembered"`
	MissingSize        string        `yaml:"missing.cache.size" noeffect:"what is missing is not remembered"`
	ApacheClient       string        `yaml:"use.apache.http.client" noeffect:"Go's HTTP client is used"`
}

// Defaults fills in Confluent's but for shorter waits: while a converter waits, its task does.
func (c *Config) Defaults() {
	c.BasicSource = "URL"
	c.BearerSource = "STATIC_TOKEN"
	c.ConnectTime, c.ReadTime = 5*time.Second, 10*time.Second
	c.Retries, c.RetryDelay, c.RetryDelayMax = 3, 100*time.Millisecond, time.Second
	c.TruststoreType, c.KeystoreType, c.CheckHost = "PEM", "PEM", "https"
}

// Validate reports what would stop a client from being built.
func (c *Config) Validate(r *config.Report) {
	for _, address := range c.URLs {
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			r.Errorf("schema.registry.url", "%q is not an address; write one such as http://registry:8081", covered(address))
		case u.User != nil && c.BasicSource != "URL":
			r.Errorf("schema.registry.url", "has a user in it, and basic.auth.credentials.source is %s; remove one of them", c.BasicSource)
		}
	}
	c.validateAuth(r)
	if c.Retries < 0 {
		r.Errorf("max.retries", "is %d; write 0 or more", c.Retries)
	}
	for key, d := range map[string]time.Duration{"http.connect.timeout.ms": c.ConnectTime, "http.read.timeout.ms": c.ReadTime} {
		if d <= 0 {
			r.Errorf(key, "is not a time to wait; write 1 or more")
		}
	}
	if c.ProxyHost != "" && (c.ProxyPort < 1 || c.ProxyPort > 65535) {
		r.Errorf("proxy.port", "%d is not a port", c.ProxyPort)
	}
	if c.CheckHost != "" && c.CheckHost != "https" {
		r.Errorf("schema.registry.ssl.endpoint.identification.algorithm", "%q is not known; write https, or nothing to accept any host name", c.CheckHost)
	}
	stores := c.stores()
	if _, err := stores.Roots(); err != nil {
		r.Errorf("schema.registry.ssl.truststore.location", "%s", err)
	}
	if _, err := stores.Certificates(); err != nil {
		r.Errorf("schema.registry.ssl.keystore.location", "%s", err)
	}
}

func (c *Config) validateAuth(r *config.Report) {
	user, _, pair := strings.Cut(c.UserInfo.Reveal(), ":")
	switch {
	case c.UserInfo != "" && c.BasicSource != "USER_INFO":
		r.Errorf("basic.auth.user.info", "counts only with basic.auth.credentials.source: USER_INFO; set that")
	case c.BasicSource == "USER_INFO" && (!pair || user == ""):
		r.Errorf("basic.auth.user.info", "must be user:password")
	case c.BasicSource == "USER_INFO" && (c.Token != "" || c.BearerSource == "OAUTHBEARER"):
		r.Errorf("basic.auth.credentials.source", "is set together with a bearer token; remove one of them")
	}
	if c.BearerSource != "OAUTHBEARER" {
		return
	}
	for _, needed := range []struct{ key, value string }{
		{"bearer.auth.issuer.endpoint.url", c.IssuerURL}, {"bearer.auth.client.id", c.ClientID}, {"bearer.auth.client.secret", c.ClientSecret.Reveal()},
	} {
		if needed.value == "" {
			r.Errorf(needed.key, "is missing; bearer.auth.credentials.source: OAUTHBEARER needs it")
		}
	}
}

// covered is an address without the user in it.
func covered(address string) string {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return "****" + address[at:]
	}
	return address
}

func (c *Config) stores() *pemstore.Stores {
	return &pemstore.Stores{
		Prefix:         "schema.registry.ssl.",
		TruststoreType: c.TruststoreType, TruststoreLocation: c.TruststoreLocation, TruststoreCerts: c.TruststoreCerts,
		KeystoreType: c.KeystoreType, KeystoreLocation: c.KeystoreLocation, KeystoreChain: c.KeystoreChain, KeystoreKey: c.KeystoreKey.Reveal(),
	}
}
