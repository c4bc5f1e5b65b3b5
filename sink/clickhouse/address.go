package clickhouse

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"connectd/config"
)

// address is where and how to connect.
type address struct {
	addr   string // host:port
	host   string
	sni    string // the name in the server's certificate
	tls    bool
	native bool
}

// defaultPort is the port that counts as not written.
const defaultPort = 8443

// ports are the servers' own, by native and tls.
var ports = map[[2]bool]int{{false, false}: 8123, {false, true}: 8443, {true, false}: 9000, {true, true}: 9440}

// address resolves what ports, URLs and the two auto settings say.
func (c *Config) address() (address, error) {
	s := address{host: c.Host}
	port, ssl, protocol := c.Port, c.SSL, c.Protocol
	if strings.Contains(c.Host, "://") {
		u, err := c.url()
		if err != nil {
			return s, err
		}
		protocol = "native"
		if u.Scheme == "https" || u.Scheme == "http" {
			protocol = "http"
		}
		if said, ok := sslOf(u); ok {
			ssl = strconv.FormatBool(said)
		}
		s.host = u.Hostname()
		if u.Port() != "" {
			port, _ = strconv.Atoi(u.Port())
		} else if port == defaultPort {
			port = ports[[2]bool{protocol == "native", ssl == "true"}]
		}
	} else if host, p, err := net.SplitHostPort(c.Host); err == nil {
		n, err := strconv.Atoi(p)
		if err != nil {
			return s, errNotAHost(c.Host)
		}
		s.host, port = host, n
	}
	if s.host == "" || port < 1 || port > 65535 {
		return s, errNotAHost(c.Host)
	}
	s.native = protocol == "native" || protocol == "auto" && (port == 9000 || port == 9440)
	s.tls = ssl == "true" || ssl == "auto" && (port == 8443 || port == 9440)
	s.addr = net.JoinHostPort(s.host, strconv.Itoa(port))
	if s.sni = c.SNI; s.sni == "" {
		s.sni = s.host
	}
	return s, nil
}

// validateWay checks what is between us and the server.
func (c *Config) validateWay(r *config.Report, at address) {
	if c.SNI != "" && !at.tls {
		r.Errorf("ssl_socket_sni", "has no effect without TLS; write ssl: true, or remove it")
	}
	switch c.ProxyType = strings.ToLower(c.ProxyType); c.ProxyType {
	case "ignore", "direct":
		if c.ProxyHost != "" || c.ProxyPort != 0 {
			r.Errorf("proxyType", "is %s, so proxyHost and proxyPort have no effect; write proxyType: http, or remove them", c.ProxyType)
		}
	case "http":
		if at.native {
			r.Errorf("proxyType", "is for HTTP, and %s speaks the native protocol; write port: 8443 or 8123 and protocol: http", at.addr)
		}
		if c.ProxyHost == "" || c.ProxyPort < 1 || c.ProxyPort > 65535 {
			r.Errorf("proxyType", "is http, and proxyHost and proxyPort do not name the proxy; write both")
		}
	default:
		r.Errorf("proxyType", "%q is not a kind of proxy; write http, direct or ignore", c.ProxyType)
	}
}

// proxy is the URL of the proxy, or nil.
func (c *Config) proxy() *url.URL {
	if c.ProxyType != "http" {
		return nil
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(c.ProxyHost, strconv.Itoa(c.ProxyPort))}
}

// url is hostname as a URL with one of the schemes http, https and clickhouse. JDBC's drivers
// speak HTTP.
func (c *Config) url() (*url.URL, error) {
	text, jdbc := strings.CutPrefix(c.Host, "jdbc:")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "ch:http"), "clickhouse:http")
	if jdbc && (strings.HasPrefix(text, "://") || strings.HasPrefix(text, "s://")) {
		text = "http" + text // jdbc:ch:https://host
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errNotAURL
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return nil, errPasswordInURL
		}
	}
	if u.Query().Has("password") {
		return nil, errPasswordInURL
	}
	switch u.Scheme {
	case "http", "https":
	case "clickhouse", "ch", "tcp":
		if u.Scheme = "clickhouse"; jdbc {
			u.Scheme = "http"
			if ssl, _ := sslOf(u); ssl {
				u.Scheme = "https"
			}
		}
	default:
		return nil, errNotAHost(c.Host)
	}
	return u, nil
}

// sslOf is what a URL says about TLS.
func sslOf(u *url.URL) (ssl, said bool) {
	for _, name := range []string{"ssl", "secure"} {
		if v := u.Query().Get(name); v != "" {
			return v == "true" || v == "1", true
		}
	}
	return u.Scheme == "https", u.Scheme == "https" || u.Scheme == "http"
}

// adopt takes over user and database from the URL where they are not set themselves.
func (c *Config) adopt(r *config.Report) {
	if !strings.Contains(c.Host, "://") {
		return
	}
	u, err := c.url()
	if err != nil {
		return // address has reported it
	}
	query := u.Query()
	user := query.Get("user")
	if u.User != nil {
		user = u.User.Username()
	}
	if user != "" && !r.Set("username") {
		c.Username = user
	}
	if database := strings.Trim(u.Path, "/"); database != "" && !r.Set("database") {
		c.Database = database
	} else if database := query.Get("database"); database != "" && !r.Set("database") {
		c.Database = database
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch name {
		case "user", "database", "ssl", "secure":
		default:
			r.Warnf("hostname", "the URL's %s has no effect; settings of the server go to clickhouseSettings", name)
		}
	}
}

type errNotAHost string

func (e errNotAHost) Error() string {
	return strconv.Quote(string(e)) + " is not a server; write its host name and set port, or write host:port"
}

// errNotAURL and errPasswordInURL do not show the URL.
var errNotAURL = errors.New("is not the URL of a server; write https://host:8443, clickhouse://host:9000 or jdbc:ch://host:8123")

var errPasswordInURL = errors.New("has a password in its URL, where it would be shown; write it as password")
