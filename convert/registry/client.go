package registry

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"
)

// Client is one registry. All its methods may be called by several goroutines; they wait for the
// registry's answer.
type Client struct {
	config Config
	names  string // the addresses, for messages
	asks   *sr.Client

	once singleflight.Group
	mu   sync.Mutex
	byID map[int]Schema
}

// Schema is what an id stands for.
type Schema struct {
	Type       sr.SchemaType
	Text       string
	References []string // texts of the schemas that it takes types from, each after its own references
}

// New builds a client. It does not connect.
func New(c Config) (*Client, error) {
	tls, err := c.stores().Config(c.CheckHost != "")
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: c.ConnectTime}).DialContext, TLSHandshakeTimeout: c.ConnectTime, TLSClientConfig: tls,
		DisableKeepAlives: true, // requests are rare, and nobody would close the connection
	}
	if c.ProxyHost != "" {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: net.JoinHostPort(c.ProxyHost, strconv.Itoa(c.ProxyPort))})
	}
	client := &http.Client{Transport: transport, Timeout: c.ReadTime}
	addresses, user, password := c.addresses()
	options := []sr.ClientOpt{sr.URLs(addresses...), sr.HTTPClient(client), sr.UserAgent("connectd"), sr.PreReq(c.prepare(client))}
	switch {
	case user != "":
		options = append(options, sr.BasicAuth(user, password))
	case c.Token != "" && c.BearerSource == "STATIC_TOKEN":
		options = append(options, sr.BearerToken(c.Token.Reveal()))
	}
	asks, err := sr.NewClient(options...)
	if err != nil {
		return nil, err
	}
	return &Client{config: c, names: strings.Join(addresses, ", "), asks: asks, byID: map[int]Schema{}}, nil
}

// addresses are the registry's without the user that one may have in it.
func (c *Config) addresses() (addresses []string, user, password string) {
	for _, address := range c.URLs {
		u, err := url.Parse(address)
		if err != nil {
			continue // refused by Validate
		}
		if u.User != nil {
			user = u.User.Username()
			password, _ = u.User.Password()
			u.User = nil
		}
		addresses = append(addresses, strings.TrimSuffix(u.String(), "/"))
	}
	if c.BasicSource == "USER_INFO" {
		user, password, _ = strings.Cut(c.UserInfo.Reveal(), ":")
	}
	return addresses, user, password
}

// prepare puts the headers of the settings into requests, and an OAuth2 token.
func (c *Config) prepare(client *http.Client) func(*http.Request) error {
	var tokens oauth2.TokenSource
	if c.BearerSource == "OAUTHBEARER" {
		credentials := clientcredentials.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), TokenURL: c.IssuerURL, Scopes: strings.Fields(c.Scope)}
		tokens = credentials.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, client))
	}
	return func(r *http.Request) error {
		for name, value := range c.Headers {
			r.Header.Set(name, value)
		}
		if tokens == nil {
			return nil
		}
		t, err := tokens.Token()
		if err != nil {
			return &tokenError{err}
		}
		t.SetAuthHeader(r)
		for name, value := range map[string]string{"target-sr-cluster": c.Cluster, "Confluent-Identity-Pool-Id": c.IdentityPool} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		return nil
	}
}

// ask calls f, and again after pauses while the registry can not answer. What it returns says
// what to do: see explain.
func (c *Client) ask(doing string, f func(ctx context.Context) error) error {
	pause := c.config.RetryDelay
	for tries := 0; ; tries++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(len(c.config.URLs))*c.config.ReadTime)
		err := f(ctx)
		cancel()
		if err == nil {
			return nil
		}
		if tries == c.config.Retries || !isBusy(err) {
			return c.explain(doing, err)
		}
		time.Sleep(pause)
		pause = min(2*pause, c.config.RetryDelayMax)
	}
}

// isBusy says whether the registry can be asked again at once. One that has let us wait is not.
func isBusy(err error) bool {
	var answer *sr.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests
	}
	var waited net.Error
	return errors.As(err, &waited) && !waited.Timeout()
}
