"""The gRPC side: conversion, errors, servicers and interceptors."""
