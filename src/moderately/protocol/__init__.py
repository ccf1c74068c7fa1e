"""What client and service share: vocabulary, wire types, problem codes and routes.

This room imports nothing but the standard library, so that the client stays light.
"""
