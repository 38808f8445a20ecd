package main

import "gopkg.in/yaml.v3"

// configView is the running configuration with the keys of the file.
func (d *daemon) configView() any {
	var view map[string]any
	text, err := d.config.Load().YAML()
	if err == nil {
		err = yaml.Unmarshal(text, &view)
	}
	if err != nil {
		panic(err) // a configuration that was read can be written
	}
	return view
}
