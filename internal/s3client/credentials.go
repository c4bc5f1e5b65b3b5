package s3client

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"connectd/config"
)

// Credentials say who asks a store. A role is assumed with the key, or with what AWS's default
// chain finds.
type Credentials struct {
	AccessKey string        `yaml:"aws.access.key.id" doc:"access key; empty uses AWS's default chain (environment, profile, role of the machine)"`
	SecretKey config.Secret `yaml:"aws.secret.access.key" doc:"secret of the access key"`

	Provider string  `yaml:"s3.credentials.provider.class" alias:"aws.credentials.provider" values:"default,assume-role,anonymous,com.amazonaws.auth.DefaultAWSCredentialsProviderChain,software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider,io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider,com.amazonaws.auth.AnonymousAWSCredentials" doc:"default: the access key, or AWS's default chain; assume-role: aws.sts.role.arn must be set; anonymous: no signature at all"`
	Role     string  `yaml:"aws.sts.role.arn" alias:"s3.credentials.provider.sts.role.arn,sts.role.arn" doc:"role to assume"`
	External string  `yaml:"aws.sts.role.external.id" alias:"s3.credentials.provider.sts.role.external.id,sts.role.external.id" doc:"external id that the role asks for"`
	Session  string  `yaml:"aws.sts.role.session.name" alias:"s3.credentials.provider.sts.role.session.name,sts.role.session.name" doc:"name of the role's session, which logs of AWS show"`
	Lifetime Seconds `yaml:"aws.sts.role.session.duration" doc:"how long the role's keys are valid before new ones are asked for: seconds, or a duration such as 1h"`
	STS      string  `yaml:"aws.sts.config.endpoint" doc:"URL of the service that gives the role's keys; empty for AWS's"`
}

// Seconds is a duration whose key has always been written as a number of seconds.
type Seconds time.Duration

// UnmarshalText reads seconds, or a duration such as 1h.
func (s *Seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 32); err == nil {
		*s = Seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New("is not a duration; write a number of seconds, or a number with s, m or h, such as 1h")
	}
	*s = Seconds(d)
	return nil
}

// String is the number of seconds.
func (s Seconds) String() string {
	return strconv.FormatInt(int64(time.Duration(s)/time.Second), 10)
}

func credentialDefaults() Credentials {
	return Credentials{Provider: "default", Session: "connectd", Lifetime: Seconds(time.Hour)}
}

// What AWS allows a role's session to last.
const minLifetime, maxLifetime = 15 * time.Minute, 12 * time.Hour

func (c *Credentials) validate(r *config.Report) {
	if (c.AccessKey == "") != (c.SecretKey == "") {
		r.Errorf("aws.access.key.id", "needs aws.secret.access.key beside it; set both, or none for AWS's default chain")
	}
	if c.assumes() && c.Role == "" {
		r.Errorf("aws.sts.role.arn", "is missing; s3.credentials.provider.class: assume-role needs the role, such as arn:aws:iam::123456789012:role/connectd")
	}
	if c.Role != "" && !strings.HasPrefix(c.Role, "arn:") {
		r.Errorf("aws.sts.role.arn", "%q is not the ARN of a role; write it as arn:aws:iam::123456789012:role/connectd", c.Role)
	}
	if c.Role != "" && c.anonymous() {
		r.Errorf("s3.credentials.provider.class", "anonymous does not go with aws.sts.role.arn; remove one of them")
	}
	if c.Role != "" && c.Session == "" {
		r.Errorf("aws.sts.role.session.name", "is empty; write a name, such as connectd")
	}
	if d := time.Duration(c.Lifetime); d < minLifetime || d > maxLifetime {
		r.Errorf("aws.sts.role.session.duration", "%v is out of range; write %v to %v, as 3600 or 1h", d, minLifetime, maxLifetime)
	}
}

func (c *Credentials) assumes() bool { return strings.Contains(strings.ToLower(c.Provider), "assume") }
func (c *Credentials) anonymous() bool {
	return strings.Contains(strings.ToLower(c.Provider), "anonymous")
}

// options are those of the AWS settings that are loaded.
func (c *Credentials) options() []func(*awsconfig.LoadOptions) error {
	switch {
	case c.anonymous():
		return []func(*awsconfig.LoadOptions) error{awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{})}
	case c.AccessKey != "":
		return []func(*awsconfig.LoadOptions) error{awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey.Reveal(), ""))}
	}
	return nil
}

// assume makes cfg ask for the role's keys, again and again before they expire.
func (c *Credentials) assume(cfg *aws.Config) {
	if c.Role == "" {
		return
	}
	client := sts.NewFromConfig(*cfg, func(o *sts.Options) {
		if c.STS != "" {
			o.BaseEndpoint = aws.String(c.STS)
		}
	})
	role := stscreds.NewAssumeRoleProvider(client, c.Role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = c.Session, time.Duration(c.Lifetime)
		if c.External != "" {
			o.ExternalID = aws.String(c.External)
		}
	})
	cfg.Credentials = aws.NewCredentialsCache(role)
}
