package kafka

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"connectd/config"
)

// decode reads settings as from a file with one line for each.
func decode(lines map[string]string) (Settings, config.Problems) {
	section := &config.Section{}
	for key, value := range lines {
		section.Entries = append(section.Entries, config.Entry{Key: key, Raw: value, Value: value})
	}
	var s Settings
	return s, config.Decode(section, &s)
}

func TestSettingsDefaults(t *testing.T) {
	s, problems := decode(nil)
	if len(problems) > 0 {
		t.Errorf("the defaults have problems:\n%v", problems)
	}
	for _, o := range config.Describe(&s) {
		if o.Doc == "" && o.NoEffect == "" {
			t.Errorf("%s has no sentence for the reference", o.Key)
		}
	}
}

func TestSettingsProblems(t *testing.T) {
	jks := write(t, "trust.jks", "\xfe\xed\xfe\xed")
	disguised := write(t, "trust.pem", "\xfe\xed\xfe\xed")
	encrypted := write(t, "key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
	empty := write(t, "empty.pem", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
	cases := []struct {
		lines map[string]string
		want  string
	}{
		{map[string]string{"acks": "1"}, "acks: "},
		{map[string]string{"enable.idempotence": "false"}, "enable.idempotence: must be true"},
		{map[string]string{"compression.type": "brotli"}, "compression.type: "},
		{map[string]string{"linger.ms": "-1"}, "linger.ms: "},
		{map[string]string{"linger.ms": "70000"}, "linger.ms: 1m10s is out of range; write 0 to 60000"},
		{map[string]string{"delivery.timeout.ms": "1000"}, "is shorter than request.timeout.ms and linger.ms together (30s)"},
		{map[string]string{"buffer.memory": "1000"}, "buffer.memory: 1000 is smaller than max.request.size (1MiB)"},
		{map[string]string{"heartbeat.interval.ms": "60000"}, "must be shorter than session.timeout.ms (45s)"},
		{map[string]string{"partition.assignment.strategy": "roundrobbin"}, `"roundrobbin" is not an assignor`},
		{map[string]string{"max.poll.records": "0"}, "max.poll.records: 0 is out of range"},
		{map[string]string{"bootstrap.server": "x:1"}, "did you mean bootstrap.servers?"},
		{map[string]string{"batch.size": "1"}, "has no effect here"},
		{map[string]string{"security.protocol": "SASL_SSL"}, "sasl.jaas.config: is missing"},
		{map[string]string{"security.protocol": "SASL_SSL", "sasl.jaas.config": "secret-words"}, "sasl.jaas.config: is not understood; write it as"},
		{map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": `o.PlainLoginModule required username="u" password="p";`},
			"its login module o.PlainLoginModule does not fit sasl.mechanism SCRAM-SHA-512; use one that ends in ScramLoginModule"},
		{map[string]string{"security.protocol": "SSL", "ssl.truststore.location": jks}, "keytool -importkeystore -srckeystore " + jks},
		{map[string]string{"security.protocol": "SSL", "ssl.truststore.location": disguised}, "is not PEM, and only PEM is read"},
		{map[string]string{"security.protocol": "SSL", "ssl.truststore.location": empty}, "holds no certificate"},
		{map[string]string{"security.protocol": "SSL", "ssl.truststore.location": "/no/such/file"}, "no such file"},
		{map[string]string{"security.protocol": "SSL", "ssl.keystore.location": "/x/client.p12"}, "/x/client.p12 is PKCS12"},
		{map[string]string{"security.protocol": "SSL", "ssl.keystore.location": encrypted}, "the private key is encrypted; decrypt it with openssl"},
		{map[string]string{"security.protocol": "SSL", "ssl.keystore.location": empty}, "needs one private key and its certificate chain"},
		{map[string]string{"ssl.endpoint.identification.algorithm": "http"}, "write https, or nothing"},
	}
	for _, c := range cases {
		_, problems := decode(c.lines)
		if text := problems.Error(); !strings.Contains(text, c.want) || strings.Contains(text, "secret-words") {
			t.Errorf("%v:\ngot  %s\nwant %s", c.lines, text, c.want)
		}
	}
}

func TestSettingsWith(t *testing.T) {
	var base Settings
	base.Defaults()
	base.Brokers, base.ClientID = []string{"a:1", "b:2"}, "worker"
	got, err := base.With(map[string]string{"compression.type": "zstd", "linger.ms": "5", "max.request.size": "8388608"})
	if err != nil {
		t.Fatal(err)
	}
	want := base
	want.Compression, want.Linger, want.MaxRequest = "zstd", 5*time.Millisecond, 8<<20
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err := base.With(nil); err != nil || !reflect.DeepEqual(got, base) {
		t.Errorf("no overrides: got %+v, %v", got, err)
	}
	for key, want := range map[string]string{"lingre.ms": "did you mean linger.ms?", "acks": "acks", "max.poll.records": "max.poll.records"} {
		if _, err := base.With(map[string]string{key: "0"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", key, err, want)
		}
	}
}

// TestSettingsHideSecrets: printing settings shows no password.
func TestSettingsHideSecrets(t *testing.T) {
	s, _ := decode(map[string]string{"sasl.jaas.config": "hunter2", "ssl.keystore.key": "hunter2"})
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, s); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows it: %s", format, text)
		}
	}
}
