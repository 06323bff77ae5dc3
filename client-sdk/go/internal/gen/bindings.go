package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	// Relative to this directory, where `go run` and `go test` work.
	protoRoot = "../../../../proto"
	checkedIn = "../wire/v1"

	source = "setpoint/v1/setpoint.proto"
	// The .proto file names no package of any language, so that is said here.
	goPackage = "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1;v1"
)

// bindings returns the files as they should stand in checkedIn, by name.
func bindings() (map[string]string, error) {
	request, err := compiled()
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		response, err := run(plugin, request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", plugin, err)
		}
		for _, file := range response.GetFile() {
			files[path.Base(file.GetName())] = file.GetContent()
		}
	}
	return files, nil
}

func compiled() (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{protoRoot}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	results, err := compiler.Compile(context.Background(), source)
	if err != nil {
		return nil, err
	}
	file := results.FindFileByPath(source)
	var all []*descriptorpb.FileDescriptorProto
	for i := range file.Imports().Len() {
		all = append(all, protodesc.ToFileDescriptorProto(file.Imports().Get(i)))
	}
	parameter := "paths=source_relative,M" + source + "=" + goPackage
	return &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source},
		Parameter:      &parameter,
		ProtoFile:      append(all, protodesc.ToFileDescriptorProto(file)),
	}, nil
}

func run(plugin string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	var output, complaints bytes.Buffer
	command := exec.Command("go", "tool", plugin)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &output, &complaints
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaints.String())
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(output.Bytes(), response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s", response.GetError())
	}
	return response, nil
}
