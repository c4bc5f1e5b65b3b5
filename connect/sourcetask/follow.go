package sourcetask

import (
	"context"
	"fmt"

	"connectd/connect"
	"connectd/kafka"
)

// readTopic is the ReadTopic of the source.
func (s *source) readTopic(ctx context.Context, from connect.TopicRead, began func(next int64) error, each func(offset int64, key, value []byte) error) error {
	k, err := s.kafka.With(from.Properties)
	if err != nil {
		return connect.Permanent(fmt.Errorf("read topic %q: %w", from.Topic, err))
	}
	return kafka.Follow(ctx, k, kafka.FollowFrom{Topic: from.Topic, Next: from.Next, Group: from.Group}, s.Log, began, each)
}
