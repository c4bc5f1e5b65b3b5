package connector

import (
	"fmt"
	"strconv"

	"connectd/connect"
	"connectd/kafka"
)

// settingError is something wrong with one key.
type settingError struct{ key, text string }

const topicDefault = "topic.creation.default."

// TopicSpec is what the topics that are created are like.
func (s *SourceSettings) TopicSpec() (kafka.TopicSpec, error) {
	spec, wrong := topicSpec(s.TopicDefaults)
	if wrong != nil {
		return spec, connect.Permanent(fmt.Errorf("%s: %s", wrong.key, wrong.text))
	}
	return spec, nil
}

// topicSpec reads topic.creation.default.*: partitions and replication.factor, and everything
// else as a property of the topic.
func topicSpec(settings map[string]string) (kafka.TopicSpec, *settingError) {
	spec := kafka.TopicSpec{Partitions: 1, Replication: -1}
	for key, value := range settings {
		var err *settingError
		switch key {
		case "partitions":
			spec.Partitions, err = count(key, value)
		case "replication.factor":
			spec.Replication, err = count(key, value)
		case "include", "exclude":
			err = &settingError{topicDefault + key, "is a key of groups only; the default rule takes every topic"}
		default:
			if spec.Config == nil {
				spec.Config = map[string]string{}
			}
			spec.Config[key] = value
		}
		if err != nil {
			return spec, err
		}
	}
	return spec, nil
}

// count reads a number of partitions or replicas: 1 or more, or -1 for the broker's default.
func count(key, value string) (int, *settingError) {
	n, err := strconv.Atoi(value)
	if err != nil || n == 0 || n < -1 {
		return 0, &settingError{topicDefault + key, fmt.Sprintf("%q is not a number of %s; write 1 or more, or -1 for the broker's default", value, noun(key))}
	}
	return n, nil
}

func noun(key string) string {
	if key == "partitions" {
		return "partitions"
	}
	return "replicas"
}
