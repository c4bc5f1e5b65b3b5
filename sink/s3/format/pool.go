package format

import "sync"

// pool keeps compressors, which are large, for the next chunk of any object.
type pool[T any] struct {
	kept sync.Pool
	make func() (T, error)
}

func (p *pool[T]) get() (T, error) {
	if kept, ok := p.kept.Get().(T); ok {
		return kept, nil
	}
	return p.make()
}

func (p *pool[T]) put(c T) { p.kept.Put(c) }
