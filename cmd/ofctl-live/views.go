package main

import "gopkg.in/yaml.v3"

// configView is the running configuration with the keys of the file, without the part that is a relay's: the daemon does not
// run one, and it may hold the tokens of publishers.
func (d *daemon) configView() any {
	var view map[string]any
	text, err := d.config.Load().YAML()
	if err == nil {
		err = yaml.Unmarshal(text, &view)
	}
	if err != nil {
		panic(err) // a configuration that was read can be written
	}
	delete(view, "relay")
	return view
}
